"""The recorded eTenders stand-in: both government hosts on one port, answered from captured data
(docs/replay.md).
"""
