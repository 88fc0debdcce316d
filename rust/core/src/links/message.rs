//! Netlink messages as bytes: a header, a fixed part, attributes (netlink(7), rtnetlink(7)).
//!
//! ```text
//! ┌─ nlmsghdr ──────────────────────────┐┌─ ifinfomsg ─────┐┌─ attribute ───────────┐┌─ attribute …
//! │ length u32 · type u16 · flags u16   ││ family, index,  ││ length u16 · type u16 ││
//! │ sequence u32 · port u32             ││ flags, …        ││ value, padding        ││
//! └─────────────────────────────────────┘└─────────────────┘└───────────────────────┘└──────────────
//! ```
//! All numbers are in the machine's own byte order.

use super::Bad;

/// A message body being written.
#[derive(Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// `struct ifinfomsg`: `flags` are those to set, and the only ones to change.
    pub fn link(flags: u32) -> Body {
        let mut body = vec![0u8; 8];
        body.extend(flags.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        Body(body)
    }

    /// `struct ifaddrmsg`.
    pub fn address(family: u8, prefix: u8, flags: u8, index: u32) -> Body {
        let mut body = vec![family, prefix, flags, 0];
        body.extend(index.to_ne_bytes());
        Body(body)
    }

    /// `struct rtmsg`, scope universe.
    pub fn route(family: u8, prefix: u8, table: u8, protocol: u8, kind: u8) -> Body {
        Body(vec![family, prefix, 0, 0, table, protocol, 0, kind, 0, 0, 0, 0])
    }

    /// One attribute with its padding.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Result<Body, Bad> {
        let length =
            u16::try_from(value.len() + 4).map_err(|_| Bad(format!("an attribute of {} bytes", value.len())))?;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        Ok(self)
    }

    /// A string, ended by a zero byte.
    pub fn text(self, kind: u16, value: &str) -> Result<Body, Bad> {
        if value.is_empty() || value.contains('\0') {
            return Err(Bad("a name is empty or has a zero byte in it".into()));
        }
        let mut raw = value.as_bytes().to_vec();
        raw.push(0);
        self.attribute(kind, &raw)
    }

    /// 32 bits.
    pub fn number(self, kind: u16, value: i64) -> Result<Body, Bad> {
        let value = u32::try_from(value).map_err(|_| Bad(format!("the number {value} does not fit into 32 bits")))?;
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Attributes within an attribute.
    pub fn nest(self, kind: u16, inner: Body) -> Result<Body, Bad> {
        self.attribute(kind, &inner.0)
    }

    /// The link's MAC address, if one is asked for.
    pub fn mac(self, mac: Option<&str>) -> Result<Body, Bad> {
        let Some(mac) = mac else { return Ok(self) };
        let bad = || Bad(format!("no MAC address: {mac}"));
        let groups: Vec<&str> = mac.split(':').collect();
        if groups.len() != 6 || !groups.iter().all(|g| g.len() == 2 && g.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(bad());
        }
        let bytes: Result<Vec<u8>, _> = groups.iter().map(|group| u8::from_str_radix(group, 16)).collect();
        self.attribute(super::numbers::IFLA_ADDRESS, &bytes.map_err(|_| bad())?)
    }
}

/// The attributes in `data`: pairs of type (without its two flag bits) and value.
pub fn attributes(mut data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(data.get(0..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(data.get(2..4)?.try_into().ok()?) & 0x3fff;
        let value = data.get(4..length)?;
        data = data.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the attribute `kind`, if it is there.
pub fn find(data: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(data).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// Four bytes at `offset` as a number; 0 where the kernel sent less.
pub fn u32_at(data: &[u8], offset: usize) -> u32 {
    data.get(offset..offset + 4).and_then(|raw| raw.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

/// A string attribute without its zero byte.
pub fn string(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back() {
        let body = Body::default().text(3, "eth0").unwrap().number(4, 1500).unwrap().nest(18, Body::default()).unwrap();
        let found: Vec<_> = attributes(&body.0).map(|(kind, value)| (kind, value.to_vec())).collect();
        assert_eq!(found, [(3, b"eth0\0".to_vec()), (4, 1500u32.to_ne_bytes().to_vec()), (18, vec![])]);
    }

    #[test]
    fn broken_attributes_end_the_list() {
        for broken in [&[9u8, 0, 1, 0, 7][..], &[3, 0, 1, 0], &[0, 0, 0, 0], &[1]] {
            assert_eq!(attributes(broken).count(), 0);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Body::default().text(3, "a\0b").is_err());
        assert!(Body::default().text(3, "").is_err());
        for mac in ["", "02:42", "02:42:ac:11:00:+2", "02:42:ac:11:00:022", "02-42-ac-11-00-02"] {
            assert!(Body::default().mac(Some(mac)).is_err(), "{mac}");
        }
    }
}
