"""The OCDS source of eTenders: its API client and a tolerant reader of its releases. No database, no web.

How the source behaves, and what is corrected here: docs/data.md.
"""
