#!/usr/bin/env python3
"""An agent in Python, written from docs/protocol.md: runs what its operators have signed.

    warren_agent.py amqp://localhost web01 ~/.ssh/authorized_keys journal

It answers run, cancel, status and discover, one command at a time. It never runs a job twice: each is in
the journal, on disk, before it begins. An agent that is to be used has more to do: see docs/guarantees.md.
"""

import base64
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time

import pika

from warren_wire import b64, claim, compact, connect, declare_exchanges, is_signed, now, root_of

TOLERANCE = 30_000  # ms, of clocks
KEPT = 8192  # bytes of each output, so that it fits into one reply


class Agent:
    def __init__(self, url, name, keys, journal):
        self.url, self.name, self.keys, self.started = url, name, keys, now()
        self.ended = {}  # job → its last reply
        self.begun = set()
        new = not os.path.exists(journal)
        self.journal = open(journal, "a+")
        self.journal.seek(0)
        self.since = now()
        for line in self.journal:
            entry = json.loads(line)
            if "since" in entry:
                self.since = entry["since"]
            elif "outcome" in entry:
                self.ended[entry["job"]] = entry
            else:
                self.begun.add(entry["job"])
        if new:
            self.note({"since": self.since})
        for job in self.begun - set(self.ended):
            self.end(job, {"outcome": "interrupted", "ended_at": now()})

    def note(self, entry):
        self.journal.write(compact(entry) + "\n")
        self.journal.flush()
        os.fsync(self.journal.fileno())

    def end(self, job, reply):
        reply = {"v": 1, "job": job, "agent": self.name, **reply}
        self.ended[job] = reply
        self.note(reply)
        return reply

    def serve(self):
        while True:
            try:
                self.session(connect(self.url))
            except pika.exceptions.AMQPError as e:
                print(f"no session: {e!r}", file=sys.stderr, flush=True)
            time.sleep(1)

    def session(self, connection):
        declare_exchanges(connection)
        taken = claim(connection, self.url, self.name)
        if taken is None:
            print("another agent answers to this name", file=sys.stderr, flush=True)
            connection.close()
            return
        channel, queue = taken
        channel.queue_bind(queue, "warren.discover", "")
        channel.basic_qos(prefetch_count=16)
        self.out = connection.channel()
        self.out.confirm_delivery()
        channel.basic_consume(queue, self.receive, exclusive=True)
        print("ready", file=sys.stderr, flush=True)
        channel.start_consuming()  # ends with the channel, and if the broker cancels the consumer

    def receive(self, channel, method, properties, body):
        addressed = (method.exchange, method.routing_key) == ("warren.hosts", self.name)
        if properties.type == "discover":
            addressed = addressed or method.exchange == "warren.discover"
        if "x-death" in (properties.headers or {}):  # a dead letter: its queue's owner has chosen the key
            addressed = False
        if addressed and properties.type != "probe":
            try:
                self.handle(properties, body)
            except (KeyError, ValueError, TypeError, IndexError) as e:
                print(f"dropped a request: {e!r}", file=sys.stderr, flush=True)
        channel.basic_ack(method.delivery_tag)

    def send(self, to, typ, job, reply):
        properties = pika.BasicProperties(type=typ, correlation_id=job, content_type="application/json", app_id="warren/1")
        try:
            self.out.basic_publish("warren.replies", to, compact(reply).encode(), properties, mandatory=True)
        except pika.exceptions.UnroutableError:
            pass  # this operator process is gone; the next status asks
        except pika.exceptions.NackError:
            pass  # its queue is full: it asks again

    def handle(self, properties, body):
        request = json.loads(body)
        statement = json.loads(request["statement"])
        if request["v"] != 1 or statement["type"] != properties.type or statement["reply_to"] != properties.reply_to:
            raise ValueError("version, type or reply_to")
        typ, to = statement["type"], statement["reply_to"]
        signed = request["signature"] and is_signed(request["statement"], request["signature"], self.keys)
        in_time = statement["issued_at"] <= now() + TOLERANCE and now() <= statement["not_after"] + TOLERANCE
        if typ == "discover":
            if signed and in_time:
                self.send(to, "hello", statement["task"], self.hello())
            return
        leaf = json.loads(request["leaf"])
        job = leaf["job"]
        path = [base64.b64decode(h, validate=True) for h in request["path"]]
        root = root_of(request["leaf"], leaf["index"], statement["size"], path)
        if root != base64.b64decode(statement["root"]) or job != properties.correlation_id or leaf["host"] != self.name:
            raise ValueError("leaf")
        refuse = ""
        if not signed:
            refuse = "not permitted on this host"
        elif not in_time:
            refuse = "too early or too late"
        elif typ not in ("run", "status", "cancel"):
            refuse = "this agent runs commands only"
        if refuse:
            reply = {"v": 1, "job": job, "agent": self.name, "outcome": "rejected", "reason": refuse, "ended_at": now(),
                     "request": b64(hashlib.sha256(body).digest())}
            self.send(to, "ended", job, reply)
        elif job in self.ended:
            self.send(to, "ended", job, self.ended[job])
        elif self.may_have_run(statement):
            self.send(to, "state", job, {"v": 1, "job": job, "agent": self.name, "state": "forgotten", "since": self.since + TOLERANCE, "at": now()})
        elif typ == "run":
            self.send(to, "ended", job, self.run(job, statement["run"], body))
        elif typ == "cancel":
            self.send(to, "ended", job, self.end(job, {"outcome": "canceled", "ended_at": now()}))
        else:
            self.send(to, "state", job, {"v": 1, "job": job, "agent": self.name, "state": "unknown", "at": now()})

    def may_have_run(self, statement):
        """The journal does not go back to what is older than itself."""
        issued = statement.get("of", statement)["issued_at"]
        return issued < self.since + TOLERANCE

    def run(self, job, run, body):
        unknown = set(run) - {"command", "timeout_ms", "max_output"}
        if unknown:
            return self.end(job, {"outcome": "rejected", "reason": "this agent has no " + ", ".join(sorted(unknown)), "ended_at": now(),
                                  "request": b64(hashlib.sha256(body).digest())})
        self.begun.add(job)
        self.note({"job": job})  # on disk before it begins
        started = now()
        process = subprocess.Popen(["/bin/sh", "-c", run["command"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        timeout = run["timeout_ms"] / 1000 or None
        end = {"outcome": "exited"}
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            out, err = process.communicate()
            end = {"outcome": "timed_out"}
        if end["outcome"] == "exited":
            if process.returncode < 0:
                end = {"outcome": "signaled", "signal": signal.Signals(-process.returncode).name}
            else:
                end["exit_code"] = process.returncode
        end.update(accepted_at=started, started_at=started, ended_at=now())
        for stream, data in (("stdout", out), ("stderr", err)):
            kept = data[: min(KEPT, run["max_output"])]
            end[stream] = {"size": len(data)}
            if kept:
                end[stream]["data"] = b64(kept)
            if len(kept) < len(data):
                end[stream]["dropped"] = len(data) - len(kept)
        return self.end(job, end)

    def hello(self):
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return {"v": 1, "agent": self.name, "names": [self.name], "running": 0, "queued": 0, "workers": 1, "at": now(),
                "facts": {"os": platform.system().lower(), "arch": machine, "version": "python", "hostname": platform.node(), "started_at": self.started}}


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    Agent(*sys.argv[1:]).serve()
