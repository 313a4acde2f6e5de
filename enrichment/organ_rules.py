"""The kind of an organ of state by the words of its name, for buyers that no table knows."""

import re

from enrichment.organ_types import (
    CONSTITUTIONAL,
    DISTRICT,
    EDUCATION,
    LEGISLATURE,
    LOCAL,
    METRO,
    MUNICIPAL_ENTITY,
    NATIONAL_DEPARTMENT,
    OTHER,
    PROVINCIAL_DEPARTMENT,
    PUBLIC_ENTITY,
    SETA,
    STATE_OWNED,
)

_PROVINCE = (
    "(?:eastern cape|free state|gauteng|kwa ?zulu natal|kzn|limpopo|mpumalanga|mpupalanga|north west"
    "|northern cape|western cape)"
)
_METRO_CITY = (
    "(?:johannesburg|joburg|coj|ekurhuleni|tshwane|ethekwini|durban|cape town|mangaung|mandela bay|buffalo)"
)
_DISTRICT_NAME = (
    "(?:alfred nzo|amajuba|amathole|cacadu|capricorn|chris hani|fezile dabi|harry gwala|ilembe|joe gqabi"
    "|kenneth kaunda|lejweleputswa|mopani|nkangala|or? ?r? tambo|sarah baartman|sedibeng|sekhukhune|ugu"
    "|umgungundlovu|umhlosinga|umkhanyakude|uthukela|vhembe|waterberg|west rand|xhariep|zululand)"
)
_COMPANY_OF_A_METRO = (
    "(?:soc|pty|agency|company|market|roads? agency|social housing|water(?! and)|theatres?|zoo|stadium|convention"
    "|entity|metro ?bus|property)"
)
_WATER_BOARD = (
    "(?:rand|umgeni|umngeni uthukela|magalies|mhlathuze|lepelle northern|bloem|sedibeng|overberg|amatola"
    "|vaal central) water"
)
_BODY = (
    r"(?:agency|agengy|authority|board|council|commission|"
    r"(?<!regional\ )(?<!provincial\ )(?<!national\ )commissioner|tribunal|regulator|fund|museums?|institute"
    r"|foundation|ombud\w*|trust|theatre|library|registry|corporation|entity|bureau|panel|parks?|gallery"
    r"|laboratory|accreditation|adjudicator|catchment|inspectorate|observatory|partnership|propeller|cma|academy"
    r"|centre|loan|wildlife|promotion|research)"
)

_PORTFOLIO = (  # a national department by its portfolio alone: "Sport, Arts and Culture"
    "(?:administration|affairs|agriculture|and|arts|business|communications|competition|constitutional"
    "|cooperation|cooperative|co|culture|development|digital|disabilities|economic|education|electricity"
    "|employment|energy|enterprises|environment(?:al)?|evaluation|finance|fisheries|forestry|governance"
    "|health|housing|industry|infrastructure|innovation|labour|land|local|mineral|minerals|monitoring|of"
    "|operative|persons|petroleum|planning|police|postal|public|recreation|reform|resources|roads|rural"
    "|safety|security|service|services|small|social|sports?|technologies|technology"
    "|telecommunications|the|tourism|trade|traditional|training|transport|veterans|water|with|women|works|youth)"
)


def _verbose(pattern: str) -> str:
    """The pattern for use inside a verbose one, where blanks must be escaped."""
    return pattern.replace(" ", r"\ ")


_RULES = tuple(
    (kind, re.compile(pattern, re.VERBOSE))
    for kind, pattern in (
        (LEGISLATURE, r"\blegislature\b | \bparliament\b | national\ assembly | council\ of\ provinces"),
        (
            SETA,
            r"""\bseta\b | sector\ education | education\ (?:and\ )?training\ authority | \b(?:merseta|bankseta|sasseta
            |agriseta|chieta|teta|fasset|inseta|lgseta|wrseta|hwseta|ewseta|cathsseta|foodbev|pseta)\b
            | \betdp\b | mining\ qualifications?\ authority""",
        ),
        (
            CONSTITUTIONAL,
            r"""public\ protector | human\ rights\ commission | commission\ for\ gender | electoral\ commission
            | financial\ and\ fiscal\ commission | independent\ communications\ authority | municipal\
            demarcation
            | pan\ south\ african\ language | religious\ (?:and\ )?linguistic""",
        ),
        (
            EDUCATION,
            r"""\btvet\b | \bfet\b | \bcetc?\b | \buniversity\b | \buniversiteit\b | technikon
            | community\ education\ (?:and\ )?training | \b(?<!agricultural\ )(?<!nursing\ )college\b
            (?!\ of\ (?:medicine|physicians|agriculture|nursing|emergency))""",
        ),
        (
            METRO,
            rf"""\b{_verbose(_METRO_CITY)}\b.*\b(?:directorate|department|water\ and\ sanitation|electricity
            |group\ \w+)\b
            | ^stad\ kaapstad\b""",
        ),
        (
            MUNICIPAL_ENTITY,
            rf"""\b{_verbose(_METRO_CITY)}\b.*\b{_verbose(_COMPANY_OF_A_METRO)}\b
            | city\ power
            | \b(?:pikitup|centlec|erwat|joshco)\b | \bcivic\ theatre\b | brakpan\ bus
            | \b{_verbose(_DISTRICT_NAME)}\b.*\b(?:agency|enterprise|soc|pty|ltd)\b""",
        ),
        (
            METRO,
            r"""city\ of\ (?:johannesburg|joburg|tshwane|cape\ town|ekurhuleni)
            | city\ council\ of\ johannesburg | \bmetro(?:politan)?\b.*\bmunic
            | ^(?:ethekwini|ekurhuleni|mangaung|buffalo\ city|nelson\ mandela\
            bay|tshwane)\b(?:.*\bmunic.*|\ metro)?$""",
        ),
        (DISTRICT, r"\bdis\w*tr\w*\b.*\bmun[iu]c | \bdistrict\ council\b | \bdistriksmunisipaliteit\b"),
        (LOCAL, r"\bmun[iu]c\w* | \bmunisipaliteit\b | \blocal\ council\b | \b(?:lm|local\ mun)\b"),
        (
            STATE_OWNED,
            rf"""\b(?:eskom|transnet|denel|armscor|prasa|petrosa|sentech|sasria|safcol|csir|mintek|alexkor|autopax)\b
            | passenger\ rail | water\ board | \b{_verbose(_WATER_BOARD)}\b | airports?\ company | airways
            | airlines | broadcasting\ corporation | post\ office | postbank | development\ bank
            | land\ (?:and\ agricultural\ )?bank
            | industrial\ development\ corporation | public\ investment\ corporation | nuclear\ energy\
            corporation
            | special\ economic\ zone | industrial\ development\ zone | \b(?:idz|sez|soc)\b | state\ owned
            | council\ for\ scientific | bureau\ of\ standards | air\ traffic | trans\ caledon | \binfraco\b
            | forestry\ company | development\ corporation | transport\ corporation""",
        ),
        (
            PROVINCIAL_DEPARTMENT,
            r"""\bhospital\b | \bclinic\b | \b(?:community\ )?health\ centre\b | \bchc\b
            | (?:agricultural|nursing)\ college | college\ of\ (?:agriculture|nursing|emergency)
            | \blaerskool\b | \bho(?:er|r)skool\b
            | \b(?:primary|secondary|high|special|combined|intermediate)\ school\b | \bpremier\b | provincial\ treasury
            | provincial\ (?:government|administration|department) | health\ district | district\ health | \bmortuary\b
            | (?:medical|pharmaceutical)\ (?:suppl\w+\ )?depot | district\ office
            | education\ district""",
        ),
        (PUBLIC_ENTITY, rf"\b{_BODY}\b"),
        (
            NATIONAL_DEPARTMENT,  # what no province has a department for
            r"""\b(?:dep(?:ar)?t\w*|ministry)\b.*\b(?:justice|defence|employment|labour
            |higher\ education|basic\ education|mineral\ (?:and\ petroleum\ )?resources|fisheries|communications)\b
            | \b(?:correctional\ services|police\ services?|home\ affairs|water\ and\ sanitation|military\ veterans
            |international\ relations|judicial\ inspectorate)\b""",
        ),
        (
            PROVINCIAL_DEPARTMENT,
            rf"""\b{_verbose(_PROVINCE)}\b | ^(?:ec|fs|gp|kzn|lp|mp|nw|nc|wc)\ dep(?:ar)?t | \bmec\b
            | community\ safety | safety\ and\ liaison""",
        ),
        (
            NATIONAL_DEPARTMENT,
            rf"""\bdep(?:ar)?t\w*\b | ^national\b(?!.*\b(?:company|pty|ltd|limited)\b)
            | ministry | \bpresidency\b | \btreasury\b | secretariat
            | police\ service | defence | justice | public\ works | revenue | basic\ education | higher\ education
            | science | human\ settlements | social\ development | military | government
            | ^(?:{_PORTFOLIO}(?:\ |$))+$""",
        ),
        (STATE_OWNED, r"\b(?:pty|ltd|limited|company)\b"),
    )
)


def kind_by_words(words: str) -> str:
    """The first rule that fits; ``words`` is the name in lower-case ASCII with single blanks."""
    return next((kind for kind, pattern in _RULES if pattern.search(words)), OTHER)
