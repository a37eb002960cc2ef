"""Why a probe failed: a closed list of words, and how libcurl's errors map to them."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import StrEnum

import pycurl


class Reason(StrEnum):
    """Every reason but `http-status-…`, which `http_status` makes."""

    RESOLVE_FAILED = "resolve-failed"
    RESOLVE_TIMEOUT = "resolve-timeout"
    CONNECT_REFUSED = "connect-refused"
    CONNECT_UNREACHABLE = "connect-unreachable"
    CONNECT_TIMEOUT = "connect-timeout"
    CONNECT_FAILED = "connect-failed"
    TLS_UNTRUSTED = "tls-untrusted"
    TLS_EXPIRED = "tls-expired"
    TLS_NOT_YET_VALID = "tls-not-yet-valid"
    TLS_NAME_MISMATCH = "tls-name-mismatch"
    TLS_TIMEOUT = "tls-timeout"
    TLS_FAILED = "tls-failed"
    TIMEOUT = "timeout"
    BODY_TIMEOUT = "body-timeout"
    RESET = "reset"
    EMPTY_ANSWER = "empty-answer"
    BAD_ANSWER = "bad-answer"
    BODY_TRUNCATED = "body-truncated"
    BODY_MISSING = "body-missing"
    REDIRECT_LOOP = "redirect-loop"
    TOO_MANY_REDIRECTS = "too-many-redirects"
    REDIRECT_DOWNGRADE = "redirect-downgrade"
    REDIRECT_OTHER_HOST = "redirect-other-host"
    REDIRECT_REFUSED = "redirect-refused"
    PROBER_FAULT = "prober-fault"


def http_status(status: int) -> str:
    """Name the reason for a final status that is not the expected one, such as `http-status-502`."""
    return f"http-status-{status:03d}"


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a transfer came, and what the system and OpenSSL said of it."""

    resolved: bool
    connected: bool
    secured: bool
    answered: bool
    header_bytes: int
    os_error: int
    verify: int


ENDLESS_HEADERS = 300_000
"""libcurl ends a transfer whose headers are longer than 300 KiB, and calls that an error of receiving."""

_OS = {
    errno.ECONNREFUSED: Reason.CONNECT_REFUSED,
    errno.EHOSTUNREACH: Reason.CONNECT_UNREACHABLE,
    errno.ENETUNREACH: Reason.CONNECT_UNREACHABLE,
    errno.ETIMEDOUT: Reason.CONNECT_TIMEOUT,
    errno.ECONNRESET: Reason.RESET,
    errno.EMFILE: Reason.PROBER_FAULT,
    errno.ENFILE: Reason.PROBER_FAULT,
    errno.ENOBUFS: Reason.PROBER_FAULT,
    errno.ENOMEM: Reason.PROBER_FAULT,
    errno.EADDRNOTAVAIL: Reason.PROBER_FAULT,
}

# OpenSSL's X509_V_ERR_… (x509_vfy.h). 0 (none) and 1 (unspecified) with a refused certificate are libcurl's own
# comparison of the name, which OpenSSL takes no part in.
_VERIFY = {
    0: Reason.TLS_NAME_MISMATCH,
    1: Reason.TLS_NAME_MISMATCH,
    9: Reason.TLS_NOT_YET_VALID,
    10: Reason.TLS_EXPIRED,
    62: Reason.TLS_NAME_MISMATCH,
    64: Reason.TLS_NAME_MISMATCH,
}

_CURL = {
    pycurl.E_COULDNT_RESOLVE_HOST: Reason.RESOLVE_FAILED,
    pycurl.E_GOT_NOTHING: Reason.EMPTY_ANSWER,
    pycurl.E_SEND_ERROR: Reason.RESET,
    pycurl.E_RECV_ERROR: Reason.RESET,
    pycurl.E_PARTIAL_FILE: Reason.BODY_TRUNCATED,
    pycurl.E_UNSUPPORTED_PROTOCOL: Reason.BAD_ANSWER,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: Reason.BAD_ANSWER,
    pycurl.E_HTTP2: Reason.BAD_ANSWER,
    pycurl.E_BAD_CONTENT_ENCODING: Reason.BAD_ANSWER,
    pycurl.E_FILESIZE_EXCEEDED: Reason.BAD_ANSWER,
}


def classify(error: int, stage: Stage) -> Reason:
    """Name the reason for libcurl's error code.

    What only this machine can have caused (no descriptors, no memory, a CA file that cannot be read, an error that is
    not known here) is PROBER_FAULT, which says nothing of the service.
    """
    if error == pycurl.E_OPERATION_TIMEDOUT:
        return _timeout(stage)
    if error == pycurl.E_PEER_FAILED_VERIFICATION:
        return _VERIFY.get(stage.verify, Reason.TLS_UNTRUSTED)
    if error == pycurl.E_COULDNT_CONNECT:
        return _OS.get(stage.os_error, Reason.CONNECT_FAILED)
    if error == pycurl.E_SSL_CONNECT_ERROR:
        return Reason.RESET if stage.os_error == errno.ECONNRESET else Reason.TLS_FAILED
    if error == pycurl.E_RECV_ERROR and stage.header_bytes >= ENDLESS_HEADERS:
        return Reason.BAD_ANSWER
    return _CURL.get(error, Reason.PROBER_FAULT)


def _timeout(stage: Stage) -> Reason:
    if not stage.resolved:
        return Reason.RESOLVE_TIMEOUT
    if not stage.connected:
        return Reason.CONNECT_TIMEOUT
    if not stage.secured:
        return Reason.TLS_TIMEOUT
    return Reason.BODY_TIMEOUT if stage.answered else Reason.TIMEOUT
