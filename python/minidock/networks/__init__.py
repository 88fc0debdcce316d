"""Networks: how a container reaches others, and how others reach it.

The default network is a *bridge*, a switch inside the kernel. Each container has a network namespace of its own, and a
virtual cable (*veth*) from there to the bridge; the host is the router between the bridge and the world::

     ┌─ container ──────┐    ┌─ container ──────┐
     │ eth0 172.17.0.2  │    │ eth0 172.17.0.3  │
     └───────┬──────────┘    └───────┬──────────┘
         md1f2ev…                md1f2ev…                            host
     ┌───────┴───────────────────────┴──────────┐   nftables table    ┌──────┐
     │ bridge md1f2ebr0, 172.17.0.1             ├──  minidock-1f2e  ──┤ eth0 ├── LAN
     └──────────────────────────────────────────┘   masquerade, DNAT  └──────┘

*Masquerade*: packets to the world leave with the host's address. *Publishing* (``-p 8080:80``): what comes to the
host's port 8080 has its destination rewritten (DNAT) to the container's port 80. All else from outside is dropped.

============  ===================================================================================
module        what it is
============  ===================================================================================
pools         which subnet a new network gets (pure)
ipam          which address a container gets (pure)
ports         which ports are published, and where (pure, but for one probe)
firewall      the text of our nftables table (pure)
modes         ``--network``, and what does not go with it (pure)
resolvconf    the container's ``resolv.conf`` (pure);  files: with ``hosts`` and ``hostname``
state         what is taken: networks, addresses, ports; one value, kept by the store
conntrack     the kernel's memory of connections
host          two small ports: the firewall (``nft``) and kernel settings
foreign       whose rules would drop our packets
bridge        the driver: makes the bridge, plugs containers in
networks      what the engine calls
============  ===================================================================================
"""
