#!/usr/bin/env python3
"""An operator in Python, written from docs/protocol.md: runs a command on hosts.

    warren_operator.py amqp://localhost ~/.ssh/id_ed25519 'uname -a' web01 web02
"""

import base64
import json
import secrets
import sys
import time
import uuid
from urllib.parse import unquote, urlparse

import pika

from warren_wire import b64, compact, connect, declare_exchanges, now, sign, tree

VALIDITY = 60_000  # ms


class Task:
    def __init__(self, url, key, command, hosts):
        self.key = key
        user = unquote(urlparse(url).username or "guest")
        word = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "".join(f"_{b:02x}" for b in c.encode()) for c in user)
        self.reply_to = f"warren.reply.{word}.{secrets.token_hex(16)}"
        self.jobs = {str(uuid.uuid4()): host for host in hosts}
        self.outcomes = {}  # job → its outcome and exit code
        self.output = {job: {"stdout": {}, "stderr": {}} for job in self.jobs}  # offset → bytes
        self.attempts = dict.fromkeys(self.jobs, 0)
        self.maybe = set()  # jobs of which some request may have arrived
        self.sign(command)

        incoming = connect(url)
        declare_exchanges(incoming)
        self.replies = incoming.channel()
        self.replies.queue_declare(
            self.reply_to, exclusive=True,
            arguments={"x-queue-type": "classic", "x-max-length-bytes": 64 << 20, "x-overflow": "reject-publish"},
        )
        self.replies.queue_bind(self.reply_to, "warren.replies", self.reply_to)
        self.replies.basic_consume(self.reply_to, self.receive)
        self.incoming = incoming
        self.sending = connect(url)
        self.requests = self.sending.channel()
        self.requests.confirm_delivery()

    def sign(self, command):
        leaves = [compact({"job": job, "host": host, "index": i}) for i, (job, host) in enumerate(self.jobs.items())]
        root, paths = tree(leaves)
        issued = now()
        self.not_after = issued + VALIDITY
        statement = compact({
            "type": "run", "task": str(uuid.uuid4()), "issued_at": issued, "not_after": self.not_after,
            "reply_to": self.reply_to, "root": b64(root), "size": len(leaves),
            "run": {"command": command, "timeout_ms": 0, "max_output": 1 << 20},
        })
        signature = sign(statement, self.key)
        self.bodies = {
            job: compact({
                "v": 1, "statement": statement, "signature": signature, "leaf": leaf, "path": [b64(h) for h in path],
            }).encode()
            for job, leaf, path in zip(self.jobs, leaves, paths)
        }

    def send(self, job):
        self.attempts[job] += 1
        properties = pika.BasicProperties(
            type="run", correlation_id=job, reply_to=self.reply_to, content_type="application/json", app_id="warren/1",
            expiration=str(max(self.not_after - now(), 1)), delivery_mode=1, headers={"attempt": self.attempts[job]},
        )
        try:
            self.requests.basic_publish("warren.hosts", self.jobs[job], self.bodies[job], properties, mandatory=True)
            self.maybe.add(job)
        except pika.exceptions.UnroutableError:
            if job not in self.maybe:
                self.outcomes[job] = ("unreachable", None)
        except pika.exceptions.NackError:
            self.maybe.add(job)  # a queue is full, or its node is down: an agent may have it all the same

    def receive(self, channel, method, properties, body):
        try:
            self.take(properties, body)
        except (KeyError, ValueError, TypeError) as e:
            print(f"dropped a reply: {e!r}", file=sys.stderr)
        channel.basic_ack(method.delivery_tag)

    def take(self, properties, body):
        job = properties.correlation_id
        if job not in self.jobs or job in self.outcomes:
            return
        if properties.type == "output":
            self.output[job][properties.headers["stream"]][properties.headers["offset"]] = body
        elif properties.type == "ended":
            reply = json.loads(body)
            if reply["v"] != 1 or reply["job"] != job:
                raise ValueError("another version or job")
            for stream in ("stdout", "stderr"):
                if data := reply.get(stream, {}).get("data"):
                    self.output[job][stream][0] = base64.b64decode(data)
            self.outcomes[job] = (reply["outcome"], reply.get("exit_code"))

    def run(self):
        pause, repeat = 2.0, 0.0
        while len(self.outcomes) < len(self.jobs) and now() < self.not_after + 15_000:
            if time.monotonic() >= repeat and now() < self.not_after:
                for job in self.jobs:
                    if job not in self.outcomes:
                        self.send(job)
                repeat, pause = time.monotonic() + pause, min(2 * pause, 15)
            self.sending.process_data_events(0)  # heartbeats
            self.incoming.process_data_events(0.1)
        failed = 0
        for job, host in self.jobs.items():
            outcome, code = self.outcomes.get(job, ("lost", None))
            text = {s: b"".join(data for _, data in sorted(chunks.items())) for s, chunks in self.output[job].items()}
            print(f"{host}: {outcome}" + ("" if code is None else f" {code}"))
            sys.stdout.flush()
            sys.stdout.buffer.write(text["stdout"])
            sys.stderr.buffer.write(text["stderr"])
            failed += (outcome, code) != ("exited", 0)
        return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    sys.exit(Task(*sys.argv[1:4], sys.argv[4:]).run())
