"""`python -m app.cli`: the same as `protenders`."""

from app.cli.main import main

main()
