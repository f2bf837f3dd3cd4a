"""A client of tus, and one that breaks off."""

from __future__ import annotations

import socket
import time
from base64 import b64encode

from processes import Reply, Target

PATIENCE_S = 20.0


class TusClient:
    """Uploads of one account."""

    def __init__(self, target: Target, username: str = "user0001") -> None:
        self.target = target
        self.token = target.sign_in(username)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """A request with the headers named, in which `_` stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in {"Tus_Resumable": "1.0.0", **headers}.items()}
        return self.target.ask(method, path, body, self.token, **named)

    def create(self, size_bytes: int, **metadata: str) -> str:
        """The path of a new upload."""
        pairs = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in metadata.items())
        reply = self.ask("POST", "/uploads", Upload_Length=str(size_bytes), Upload_Metadata=pairs)
        assert reply.status == 201, reply
        return reply.headers["location"]

    def append(self, path: str, offset: int, content: bytes, **headers: str) -> Reply:
        """Send the part that begins at `offset`."""
        headers = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": str(offset), **headers}
        return self.ask("PATCH", path, content, **headers)

    def offset(self, path: str) -> int:
        """From where to go on."""
        reply = self.ask("HEAD", path)
        assert reply.status == 200, reply
        return int(reply.headers["upload-offset"])

    def content(self, medium: str, **headers: str) -> Reply:
        """The content of a medium."""
        return self.ask("GET", f"/media/{medium}/content", **headers)

    def request(self, path: str, offset: int, length: int) -> bytes:
        """The head of a part of that length."""
        head = (
            f"PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\nTus-Resumable: 1.0.0\r\n"
            f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\nContent-Length: {length}\r\n\r\n"
        )
        return head.encode()

    def break_off(self, path: str, offset: int, length: int, sent: bytes) -> None:
        """Announce a part of that length, send less, and hang up."""
        with socket.create_connection(("127.0.0.1", self.target.port), timeout=PATIENCE_S) as connection:
            connection.sendall(self.request(path, offset, length) + sent)

    def wait_for_offset(self, path: str, offset: int) -> None:
        """Until the upload is so far; the target learns by and by that a client has hung up."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self.offset(path) != offset:
            assert time.monotonic() < deadline_s, f"{self.offset(path)} and not {offset}"
            time.sleep(0.01)
