"""What both sides need of docs/protocol.md: names, topology, Merkle tree, signatures."""

import base64
import hashlib
import json
import os
import subprocess
import tempfile
import threading
import time

import pika

NAMESPACE = "warren"
LIMIT = 1024  # messages in a host queue


def now():
    return int(time.time() * 1000)


def b64(data):
    return base64.b64encode(data).decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def connect(url):
    return pika.BlockingConnection(pika.URLParameters(url))


def declare_exchanges(connection):
    for name, kind in (("warren.hosts", "topic"), ("warren.replies", "topic"), ("warren.discover", "fanout")):
        try:
            connection.channel().exchange_declare(name, kind, durable=True, passive=True)
        except pika.exceptions.ChannelClosedByBroker as e:
            if e.reply_code == 404:
                connection.channel().exchange_declare(name, kind, durable=True)
            elif e.reply_code != 403:  # a 403 says nothing: bind and publish tell
                raise


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree(leaves):
    """The root and the path of each leaf (RFC 6962)."""
    level = [(sha256(b"\0", leaf.encode()), [i]) for i, leaf in enumerate(leaves)]
    paths = [[] for _ in leaves]
    while len(level) > 1:
        above = []
        for i in range(0, len(level) - 1, 2):
            (left, below_left), (right, below_right) = level[i], level[i + 1]
            for leaf in below_left:
                paths[leaf].append(right)
            for leaf in below_right:
                paths[leaf].append(left)
            above.append((sha256(b"\1", left, right), below_left + below_right))
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0][0], paths


def root_of(leaf, index, size, path):
    h, i, n = sha256(b"\0", leaf.encode()), index, size
    path = list(path)
    while n > 1:
        if i % 2:
            h = sha256(b"\1", path.pop(0), h)
        elif i + 1 < n:
            h = sha256(b"\1", h, path.pop(0))
        i, n = i // 2, (n + 1) // 2
    if path:
        raise ValueError("the path is too long")
    return h


def sign(statement, key):
    done = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", key], input=statement.encode(), capture_output=True, check=True
    )
    return "".join(line for line in done.stdout.decode().splitlines() if not line.startswith("-"))


def is_signed(statement, signature, authorized_keys):
    """Whether one of the keys has signed the statement."""
    with tempfile.TemporaryDirectory() as d:
        signers, sig = os.path.join(d, "signers"), os.path.join(d, "sig")
        with open(authorized_keys) as keys, open(signers, "w") as out:
            out.writelines("operator " + line for line in keys if line.strip() and not line.startswith("#"))
        with open(sig, "w") as out:
            body = "\n".join(signature[i : i + 70] for i in range(0, len(signature), 70))
            out.write(f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n")
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "operator", "-n", NAMESPACE, "-s", sig],
            input=statement.encode(), capture_output=True,
        )
        return done.returncode == 0


def host_queue(name, generation):
    return f"warren.host.{name}" + (f"~{generation}" if generation else "")


def has_living_holder(url, queue):
    """Whether another connection holds a queue. RabbitMQ does not answer for one whose node is down."""
    answer = []

    def ask():
        try:
            connection = connect(url)
            connection.channel().queue_declare(queue, passive=True)
            answer.append(True)
        except pika.exceptions.ChannelClosedByBroker as e:
            answer.append(e.reply_code != 404)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(3)
    return bool(answer and answer[0])


def claim(connection, url, name):
    """Takes a host name: its channel and queue, or None if a living agent has it."""
    for generation in range(4):
        queue = host_queue(name, generation)
        channel = connection.channel()
        try:
            channel.queue_declare(
                queue, exclusive=True,
                arguments={"x-queue-type": "classic", "x-max-length": LIMIT, "x-overflow": "reject-publish"},
            )
        except pika.exceptions.ChannelClosedByBroker as e:
            if e.reply_code != 405:
                raise
            if has_living_holder(url, queue):
                return None
            continue
        if generation == 0:
            channel.confirm_delivery()
            try:
                channel.basic_publish("warren.hosts", name + "~", b"", pika.BasicProperties(type="probe", expiration="1000"), mandatory=True)
                others = [1, 2, 3]
            except pika.exceptions.UnroutableError:
                others = []
            except pika.exceptions.NackError:
                others = [1, 2, 3]
        else:
            channel.queue_bind(queue, "warren.hosts", name + "~")
            others = [g for g in range(4) if g != generation]
        if any(has_living_holder(url, host_queue(name, g)) for g in others):
            channel.queue_delete(queue)
            return None
        channel.queue_bind(queue, "warren.hosts", name)
        return channel, queue
    return None
