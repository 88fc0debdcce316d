"""A token server for Debian's docker-registry: the registry trusts its certificate and believes what it signs.

Source: distribution, "Token Authentication Implementation": a JWT, RS256, whose header carries the certificate (x5c).
"""

from __future__ import annotations

import base64
import datetime
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER, SERVICE = "test-issuer", "test-registry"


class TokenServer:
    """Gives a token to anonymous users for ``public/…``, and to one user for everything.

    ``log`` keeps the query and the Authorization header of each request; ``life`` is how long tokens last, in seconds.
    """

    def __init__(self, folder: Path, user: str, password: str) -> None:
        self.log: list[tuple[dict[str, list[str]], str | None]] = []
        self.life = 300
        self._allowed = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = folder / "token.crt"
        self._der = self._certify(self.certificate)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def realm(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/token"

    @property
    def configuration(self) -> str:
        """The registry's ``auth:`` part, YAML."""
        return (
            f"{{token: {{realm: '{self.realm}', service: {SERVICE}, issuer: {ISSUER},"
            f" rootcertbundle: '{self.certificate}'}}}}"
        )

    def token(self, scope: str, user: bool) -> str:
        """Return a signed token for what the user may have of *scope*."""
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "",
            "aud": SERVICE,
            "exp": now + self.life,
            "nbf": now - 60,
            "iat": now,
            "jti": "1",
            "access": access if user or name.startswith("public/") else [],
        }
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(self._der).decode()]}
        signed = _b64(json.dumps(header).encode()) + "." + _b64(json.dumps(claims).encode())
        return signed + "." + _b64(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))

    def _certify(self, path: Path) -> bytes:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, ISSUER)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return made.public_bytes(serialization.Encoding.DER)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                header = self.headers.get("Authorization")
                tokens.log.append((query, header))
                if header is not None and header != tokens._allowed:
                    self._send(401, {"details": "incorrect username or password"})
                    return
                scope = query.get("scope", [""])[0]
                self._send(200, {"token": tokens.token(scope, header is not None), "expires_in": tokens.life})

            def _send(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> TokenServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
