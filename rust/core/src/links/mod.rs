//! Network links: bridges, virtual cables, addresses and routes, by rtnetlink(7).
//!
//! One function is one step, and nearly always one message. `netns` is the path of a pinned network namespace, or
//! `None`: our own. The readable twin is `python/minidock/_pure/links`.

mod message;
mod netlink;
mod numbers;
mod read;

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use rustix::io::Errno;

use crate::error::{Attempt, Error};
use message::{Body, u32_at};
use netlink::{CREATE, Netlink};
use numbers::*;
pub use read::{links, ready, routes};

/// A value that makes no sense, in words.
#[derive(Debug)]
struct Bad(String);

/// Why a step did not work, before it is told: a value, or the kernel.
enum Fault {
    Value(Bad),
    Kernel(Error),
}

impl From<Bad> for Fault {
    fn from(bad: Bad) -> Fault {
        Fault::Value(bad)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Kernel(error)
    }
}

/// One network link, as the kernel lists it; `master` is the index of its bridge, 0 for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`, …; empty for a physical link and the loopback.
    pub kind: String,
    /// Its hardware address, `02:42:ac:11:00:02`; empty if it has none.
    pub mac: String,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Whether it is switched on.
    pub up: bool,
    /// The index of its bridge, 0 for none.
    pub master: u32,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<String>,
}

/// Run `step` on a socket; a bad value is the step's `EINVAL`.
fn with<T>(
    detail: String,
    netns: Option<&str>,
    step: impl FnOnce(&mut Netlink) -> Result<T, Fault>,
) -> Result<T, Error> {
    let mut netlink = Netlink::open(detail, netns)?;
    step(&mut netlink).map_err(|fault| match fault {
        Fault::Kernel(error) => error,
        Fault::Value(Bad(words)) => Error::system(Errno::INVAL, format!("{} ({words})", netlink.detail)),
    })
}

/// Make a bridge, and switch it on.
///
/// # Errors
/// `EEXIST` if the name is taken.
pub fn bridge(name: &str, mtu: i64, mac: Option<&str>) -> Result<(), Error> {
    with(format!("make the bridge {name}"), None, |netlink| {
        let kind = Body::default().attribute(IFLA_INFO_KIND, b"bridge")?;
        let body = Body::link(IFF_UP).text(IFLA_IFNAME, name)?.number(IFLA_MTU, mtu)?.mac(mac)?;
        Ok(netlink.change(RTM_NEWLINK, CREATE, &body.nest(IFLA_LINKINFO, kind)?)?)
    })
}

/// Make a pair: `name` here, up and in `bridge`, in hairpin mode; `peer` with `mac` inside `netns`.
///
/// # Errors
/// `EEXIST` if a name is taken, `ENODEV` if there is no such bridge.
pub fn veth(name: &str, bridge: &str, peer: &str, netns: &str, mtu: i64, mac: Option<&str>) -> Result<(), Error> {
    let detail = format!("make the pair {name} and {peer} in {netns}");
    let namespace = File::open(netns).attempt(|| detail.clone())?;
    with(detail, None, |netlink| {
        let master = index(netlink, bridge)?;
        let other = Body::link(0).text(IFLA_IFNAME, peer)?.number(IFLA_MTU, mtu)?.mac(mac)?;
        let pair = Body::default().nest(VETH_INFO_PEER, other.number(IFLA_NET_NS_FD, namespace.as_raw_fd().into())?)?;
        let info = Body::default().attribute(IFLA_INFO_KIND, b"veth")?.nest(IFLA_INFO_DATA, pair)?;
        let body =
            Body::link(IFF_UP).text(IFLA_IFNAME, name)?.number(IFLA_MTU, mtu)?.number(IFLA_MASTER, master.into())?;
        netlink.change(RTM_NEWLINK, CREATE, &body.nest(IFLA_LINKINFO, info)?)?;
        // hairpin: a frame may leave by the port it came in by; so a container reaches its own published ports
        let hairpin = Body::default().attribute(IFLA_BRPORT_MODE, &[1])?;
        let port = Body::default().attribute(IFLA_INFO_SLAVE_KIND, b"bridge")?.nest(IFLA_INFO_SLAVE_DATA, hairpin)?;
        Ok(netlink.change(RTM_NEWLINK, 0, &Body::link(0).text(IFLA_IFNAME, name)?.nest(IFLA_LINKINFO, port)?)?)
    })
}

/// Give the link an address such as `172.17.0.1/16`.
///
/// # Errors
/// `EEXIST` if it has it, `ENODEV` if there is no such link.
pub fn address(name: &str, address: &str, netns: Option<&str>) -> Result<(), Error> {
    with(format!("give {name} the address {address}"), netns, |netlink| {
        let (host, prefix) = split(address)?;
        let index = index(netlink, name)?;
        // an address of ours is never a duplicate, so IPv6 need not wait a second to find that out
        let flags = if host.is_ipv6() { IFA_F_NODAD } else { 0 };
        let raw = octets(host);
        let mut body = Body::address(family(host), prefix, flags, index);
        body = body.attribute(IFA_LOCAL, &raw)?.attribute(IFA_ADDRESS, &raw)?;
        match host {
            IpAddr::V4(v4) if prefix < 31 => {
                body = body.attribute(IFA_BROADCAST, &(v4.to_bits() | (u32::MAX >> prefix)).to_be_bytes())?;
            }
            _ => {}
        }
        Ok(netlink.change(RTM_NEWADDR, CREATE, &body)?)
    })
}

/// Switch the link on.
///
/// # Errors
/// `ENODEV` if there is no such link.
pub fn up(name: &str, netns: Option<&str>) -> Result<(), Error> {
    with(format!("switch {name} on"), netns, |netlink| {
        Ok(netlink.change(RTM_NEWLINK, 0, &Body::link(IFF_UP).text(IFLA_IFNAME, name)?)?)
    })
}

/// Route `destination` (`default` or a subnet) by `gateway`.
///
/// # Errors
/// `EEXIST` if there is such a route, `ENETUNREACH` if the gateway is on no link.
pub fn route(destination: &str, gateway: &str, netns: Option<&str>) -> Result<(), Error> {
    with(format!("route {destination} by {gateway}"), netns, |netlink| {
        let (via, _) = split(gateway)?;
        let mut prefix = 0;
        let mut subnet = None;
        if destination != "default" {
            let (host, length) = split(destination)?;
            if family(host) != family(via) {
                return Err(Bad(format!("{destination} and {gateway} are of different families")).into());
            }
            (subnet, prefix) = (Some(octets(host)), length);
        }
        let mut body = Body::route(family(via), prefix, RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST);
        if let Some(subnet) = subnet {
            body = body.attribute(RTA_DST, &subnet)?;
        }
        Ok(netlink.change(RTM_NEWROUTE, CREATE, &body.attribute(RTA_GATEWAY, &octets(via))?)?)
    })
}

/// Remove the link; none there is fine.
///
/// # Errors
/// What the kernel says.
pub fn delete(name: &str) -> Result<(), Error> {
    with(format!("remove {name}"), None, |netlink| {
        match netlink.change(RTM_DELLINK, 0, &Body::link(0).text(IFLA_IFNAME, name)?) {
            Err(error) if error.is(Errno::NODEV) => Ok(()),
            other => Ok(other?),
        }
    })
}

fn index(netlink: &mut Netlink, name: &str) -> Result<u32, Fault> {
    let answer = netlink.get(RTM_GETLINK, &Body::link(0).text(IFLA_IFNAME, name)?)?;
    Ok(u32_at(&answer, 4))
}

/// Split `192.0.2.1/24` into the address and the prefix length; all bits without a `/`.
fn split(address: &str) -> Result<(IpAddr, u8), Bad> {
    let bad = || Bad(format!("no address: {address}"));
    let (host, length) = address.split_once('/').map_or((address, None), |(host, length)| (host, Some(length)));
    let host: IpAddr = host.parse().map_err(|_| bad())?;
    let bits = if host.is_ipv6() { 128 } else { 32 };
    let prefix = match length {
        None => bits,
        Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length.parse().map_err(|_| bad())?,
        Some(_) => return Err(bad()),
    };
    if prefix > bits { Err(bad()) } else { Ok((host, prefix)) }
}

fn family(host: IpAddr) -> u8 {
    if host.is_ipv6() { AF_INET6 } else { AF_INET }
}

fn octets(host: IpAddr) -> Vec<u8> {
    match host {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
