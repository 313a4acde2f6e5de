"""The kinds of organ of state."""

NATIONAL_DEPARTMENT = "National Department"
PROVINCIAL_DEPARTMENT = "Provincial Department"
METRO = "Metro Municipality"
DISTRICT = "District Municipality"
LOCAL = "Local Municipality"
MUNICIPAL_ENTITY = "Municipal Entity"
STATE_OWNED = "State-Owned Enterprise"
PUBLIC_ENTITY = "Public Entity"
CONSTITUTIONAL = "Constitutional Institution"
SETA = "SETA"
EDUCATION = "Education Institution"
LEGISLATURE = "Legislature"
OTHER = "Other"

TYPES = (
    NATIONAL_DEPARTMENT, PROVINCIAL_DEPARTMENT, METRO, DISTRICT, LOCAL, MUNICIPAL_ENTITY, STATE_OWNED, PUBLIC_ENTITY,
    CONSTITUTIONAL, SETA, EDUCATION, LEGISLATURE, OTHER,
)  # fmt: skip
