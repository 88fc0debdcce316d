"""Without root: one user namespace per root folder, held by one small process, joined by every command.

An ordinary user may make a *user namespace* and be root in it. All that a container needs can be done there: mount,
change owners, make a bridge. So the engine of an ordinary user moves into one before it does anything else, and from
there on it is the same engine::

      the user's session (uid 1000)                  the holder's namespaces (uid 1000 is root, uid 0)
    ┌────────────────────────────────┐ setns(2)    ┌───────────────────────────────────────────────────┐
    │ minidock run ──────────────────┼────────────▶│ user, mount: store, layers, overlay, monitors     │
    │ pulls: the user's own network ◀┼─────────────│ network: bridge, nft, cables ─── tap0             │
    └────────────────────────────────┘             └────────────────────────────────────┬──────────────┘
              the user's network  ◀──────────── slirp4netns or pasta ───────────────────┘

A process joins the user and the mount namespace as a whole, before it has a second thread: the kernel lets only a
process with one thread into a user namespace (setns(2)). It keeps the *network* of its user, so a registry is reached
as always. The bridge is in the holder's network namespace; what concerns it is done by one thread that joined that.

====================  ==============================================================================
``identity``          which identities are mapped into the namespace: a range, or only one's own
``holder``            start a holder, find it again, end it
``enter``             join it: what ``Engine.open`` calls
``network``           the thread in the holder's network namespace, and ports whose calls it makes
``outward``           the way out: slirp4netns or pasta, and the ports that are published through it
====================  ==============================================================================
"""

from minidock.runtime.rootless.enter import Rootless as Rootless
from minidock.runtime.rootless.enter import enter as enter
from minidock.runtime.rootless.enter import real_user as real_user
