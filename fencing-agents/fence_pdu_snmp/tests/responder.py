#!/usr/bin/python3 -u
"""net-snmp pass_persist responder with the outlet tables of APC power switches, for tests.

Protocol: snmpd.conf(5), pass_persist. argv[1] is the state file, one line an outlet: "number state pending" with
state 1 on, 2 off, or any other number to serve as it is; pending 1 yes, 2 no. argv[2] is the log of the writes that
were done, one line each: "table outlet value". The state file is read anew for each request: a test may change it.
"""
import sys

BASE = "1.3.6.1.4.1.318.1.1."
COMMANDS = {"rpdu": "12.3.3.1.1.4.", "rpdu2": "26.9.2.4.1.5.", "masterswitch": "4.4.2.1.3."}


def outlets():
    with open(sys.argv[1]) as file:
        return [tuple(map(int, line.split())) for line in file if line.strip()]


def save(rows):
    with open(sys.argv[1], "w") as file:
        file.writelines("%d %d %d\n" % row for row in rows)


def objects():
    table = {}
    for number, state, pending in outlets():
        name = '"server %d"' % number
        for column, kind, value in [
            ("12.3.3.1.1.4", "integer", state),
            ("12.3.5.1.1.2", "string", name),
            ("12.3.5.1.1.4", "integer", state),
            ("12.3.5.1.1.5", "integer", pending),
            ("26.9.2.3.1.3", "string", name),
            ("26.9.2.3.1.5", "integer", {1: 2, 2: 1}.get(state, state)),
            ("26.9.2.3.1.6", "integer", pending),
            ("26.9.2.4.1.5", "integer", state),
            ("4.4.2.1.2", "integer", pending),
            ("4.4.2.1.3", "integer", state),
            ("4.4.2.1.4", "string", name),
        ]:
            oid = BASE + column + "." + str(number)
            table[tuple(map(int, oid.split(".")))] = (kind, value)
    return table


def answer(oid, found):
    print("." + ".".join(map(str, oid)), found[0], str(found[1]).strip('"'), sep="\n", flush=True)


def write(oid, text):
    kind, value = text.split(None, 1)
    text = ".".join(map(str, oid))
    for table, column in COMMANDS.items():
        if text.startswith(BASE + column):
            if kind != "integer":
                return "wrong-type"
            cancel = {"rpdu": 7, "rpdu2": 8}.get(table)
            value, number, rows, known = int(value), oid[-1], [], False
            if value not in (1, 2, cancel):
                return "wrong-value"
            for row in outlets():
                if row[0] == number:
                    known = True
                    row = (number, row[1], 2) if value == cancel else (number, value, row[2])
                rows.append(row)
            if not known:
                return "no-creation"
            save(rows)
            with open(sys.argv[2], "a") as log:
                log.write("%s %d %d\n" % (table, number, value))
            return "DONE"
    return "not-writable"


def arcs(line):
    return tuple(int(arc) for arc in line.strip().strip(".").split("."))


for line in iter(sys.stdin.readline, ""):
    request = line.strip()
    if request == "PING":
        print("PONG", flush=True)
    elif request == "get":
        oid, table = arcs(sys.stdin.readline()), objects()
        answer(oid, table[oid]) if oid in table else print("NONE", flush=True)
    elif request == "getnext":
        oid, table = arcs(sys.stdin.readline()), objects()
        later = [known for known in sorted(table) if known > oid]
        answer(later[0], table[later[0]]) if later else print("NONE", flush=True)
    elif request == "set":
        oid = arcs(sys.stdin.readline())
        print(write(oid, sys.stdin.readline().strip()), flush=True)
    # snmpd ends the value of a set with an empty line more: nothing to answer.
