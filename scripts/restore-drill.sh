#!/bin/sh
# Prove that a backup comes back: sync the recorded tenders, back up, restore into another database, compare.
# Needs `make setup` before; takes about a minute and leaves nothing behind.
set -eu

protenders=${PROTENDERS:-.venv/bin/protenders}
work=$(mktemp -d)
chmod 711 "$work"  # as root, PostgreSQL's account has to get through
trap 'rm -rf "$work"' EXIT
unset DATABASE_URL

at() {
    PROTENDERS_HOME=$work/$1
    shift
    PROTENDERS_HOME=$PROTENDERS_HOME "$protenders" "$@"
}

at first sync --source replay --wait --json >"$work/job.json" || {
    status=$?
    # 3: what is left over goes to the next run; there are tenders all the same.
    [ $status -eq 3 ] || { cat "$work/job.json"; exit $status; }
}
at first db backup "$work/copy.dump"
at second db restore "$work/copy.dump" --yes
for side in first second; do
    at $side export --format jsonl --out "$work/$side.jsonl"
done

tenders=$(wc -l <"$work/first.jsonl")
[ "$tenders" -gt 0 ] || { echo "The drill proved nothing: there were no tenders."; exit 1; }
cmp "$work/first.jsonl" "$work/second.jsonl" || { echo "RESTORE DRILL FAILED: the restored tenders differ."; exit 1; }
at second db status
echo "Restored and compared $tenders tenders: equal."
