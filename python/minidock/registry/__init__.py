"""Registries: the OCI distribution protocol, client side.

What to send and what to think of the answer is decided without a socket (*sans-IO*): these modules take values and
return values, and can be tested and read without a network. One module talks to the network, one decides when::

      reference ─▶ hosts ─▶ endpoints          where its registry lives: mirrors, https, http
                             │
      client ── protocol ── auth ── redirects ── retry      decide: values in, decisions out
         │
      transport                                 acts: urllib3, TLS, proxies, timeouts

============ ======================================================================================
module       what it is
============ ======================================================================================
messages     ``Request`` and ``Reply``, the values that the others exchange
protocol     requests for manifests, blobs and tags; what their answers mean
refusals     a registry's error answers as errors of ours, in Docker's words
redirects    where an answer may send us, and what may not come along
addresses    addresses that no registry may send us to
auth         Basic and Bearer tokens, and who gets a password;  challenges: reading ``WWW-Authenticate``
credentials  ``~/.docker/config.json`` and the credential helpers
hosts        mirrors, insecure registries, proxies, certificates
retry        whether to try again, and when
transport    the only module that opens connections;  connections: where they arrive, and why they fail
client       ``RegistryClient``: all of it together
============ ======================================================================================

Source: OCI distribution-spec; distribution's token authentication specification; RFC 9110.
"""
