"""Every statement the engine sends, one file per noun; the rest of the engine speaks no SQL.

Each function takes the connection to use and leaves the transaction to its caller. All state changes of a run
that somebody drives go through `applying`, which accepts them only from the holder of the run's lease.
"""
