"""The tenders given back: search, one tender, tables to download, and OCDS."""
