"""The puller, wired: imported when the first image is pulled, since an HTTP client is heavy."""

from __future__ import annotations

from minidock.engine.config import EngineConfig
from minidock.images.pull import Puller
from minidock.kernel.ports import Layers
from minidock.registry.client import RegistryClient
from minidock.registry.credentials import CredentialStore
from minidock.registry.hosts import RegistryHosts, environment_proxies
from minidock.store.store import Store


def make_puller(store: Store, layers: Layers, config: EngineConfig) -> Puller:
    """Return a puller with the user's settings and credentials."""
    hosts = RegistryHosts(mirrors=config.mirrors, insecure=config.insecure_registries, proxies=environment_proxies())
    return Puller(store, layers, RegistryClient(hosts, CredentialStore().find))
