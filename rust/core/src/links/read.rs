//! What is there: links with their addresses, and routes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use super::message::{Body, attributes, find, string, u32_at};
use super::netlink::Netlink;
use super::numbers::*;
use super::{Link, with};
use crate::error::Result;

const READY_MILLISECONDS: u32 = 1000;

/// Wait until the link carries packets, for a second at most; return whether it does.
///
/// The kernel takes notice of a link's carrier in the background, and until then drops what the link sends.
///
/// # Errors
/// `ENODEV` if there is no such link.
pub fn ready(name: &str, netns: Option<&str>) -> Result<bool> {
    with(format!("wait for {name}"), netns, |netlink| {
        let question = Body::link(0).text(IFLA_IFNAME, name)?;
        for _ in 0..READY_MILLISECONDS {
            if u32_at(&netlink.get(RTM_GETLINK, &question)?, 8) & IFF_RUNNING != 0 {
                return Ok(true);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(false)
    })
}

/// List the links with their addresses.
///
/// # Errors
/// What the kernel says.
pub fn links(netns: Option<&str>) -> Result<Vec<Link>> {
    let mut netlink = Netlink::open("list the links".into(), netns)?;
    let mut addresses: HashMap<u32, Vec<String>> = HashMap::new();
    for message in netlink.dump(RTM_GETADDR, &Body::address(0, 0, 0, 0))? {
        let found = message.get(IFADDR..).unwrap_or_default();
        let host = find(found, IFA_LOCAL).or_else(|| find(found, IFA_ADDRESS)).and_then(host_of);
        if let Some(host) = host {
            addresses.entry(u32_at(&message, 4)).or_default().push(format!("{host}/{}", message[1]));
        }
    }
    let messages = netlink.dump(RTM_GETLINK, &Body::link(0))?;
    Ok(messages.iter().map(|message| link(message, &mut addresses)).collect())
}

/// List the destinations of the main table's routes, `default` among them; each once.
///
/// # Errors
/// What the kernel says.
pub fn routes(netns: Option<&str>) -> Result<Vec<String>> {
    let mut netlink = Netlink::open("list the routes".into(), netns)?;
    let mut destinations = Vec::new();
    for message in netlink.dump(RTM_GETROUTE, &Body::route(0, 0, 0, 0, 0))? {
        let (Some(&[family, prefix, _, _, table, _, _, kind]), Some(found)) =
            (message.first_chunk::<8>(), message.get(ROUTE..))
        else {
            continue;
        };
        let table = find(found, RTA_TABLE).map_or(u32::from(table), |raw| u32_at(raw, 0));
        if kind != RTN_UNICAST || table != u32::from(RT_TABLE_MAIN) || ![AF_INET, AF_INET6].contains(&family) {
            continue;
        }
        let subnet = find(found, RTA_DST).and_then(host_of);
        let destination = subnet.map_or("default".into(), |subnet| format!("{subnet}/{prefix}"));
        if !destinations.contains(&destination) {
            destinations.push(destination);
        }
    }
    Ok(destinations)
}

fn link(message: &[u8], addresses: &mut HashMap<u32, Vec<String>>) -> Link {
    let index = u32_at(message, 4);
    let mut link = Link {
        index,
        name: String::new(),
        kind: String::new(),
        mac: String::new(),
        mtu: 0,
        up: u32_at(message, 8) & IFF_UP != 0,
        master: 0,
        addresses: addresses.remove(&index).unwrap_or_default(),
    };
    for (kind, value) in attributes(message.get(IFINFO..).unwrap_or_default()) {
        match kind {
            IFLA_IFNAME => link.name = string(value),
            IFLA_MTU => link.mtu = u32_at(value, 0),
            IFLA_MASTER => link.master = u32_at(value, 0),
            IFLA_LINKINFO => link.kind = find(value, IFLA_INFO_KIND).map(string).unwrap_or_default(),
            IFLA_ADDRESS => link.mac = value.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
            _ => {}
        }
    }
    link
}

fn host_of(raw: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(raw).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(raw).map(IpAddr::from)).ok()
}
