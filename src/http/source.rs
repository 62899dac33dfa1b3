//! Where a request comes from, behind proxies that are trusted by name and no others.
//!
//! What a proxy says decides on nothing but this address: neither the issuer, nor the host, nor the
//! scheme. `Forwarded` (RFC 7239) is not read: a proxy that writes the one header passes on the
//! other as its client sent it.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

/// An address, or all that begin as one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many of its bits count.
    prefix: u8,
}

impl Network {
    /// From `10.0.0.5`, `10.0.0.0/8` or `fd00::/8`; bits behind the prefix must be 0.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is not an address such as 10.0.0.5, 10.0.0.0/8 or fd00::/8");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse().ok().filter(|prefix| *prefix <= bits),
            None => Some(bits),
        };
        let prefix = prefix.ok_or_else(wrong)?;
        let network = Self { address, prefix };
        match bits_of(address) & !network.mask() {
            0 => Ok(network),
            _ => Err(format!(
                "'{text}' has bits behind its prefix; write the network's first address"
            )),
        }
    }

    /// Bits are those of an IPv6 address, with IPv4 at the front.
    fn mask(&self) -> u128 {
        match self.prefix {
            0 => 0,
            prefix => u128::MAX << (128 - prefix),
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && bits_of(address) & self.mask() == bits_of(self.address)
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address that a request comes from: its peer's; or, where the peer is a trusted proxy, the
/// last one in `X-Forwarded-For` that is not. An IPv4 address is never in its IPv6 form. `None` where
/// the peer has gone already.
pub fn source_of(request: &HttpRequest, trusted: &[Network]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    Some(behind_proxies(peer, request.headers(), trusted))
}

fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut source = peer.to_canonical();
    let is_trusted = |address| trusted.iter().any(|network| network.holds(address));
    if !is_trusted(source) {
        return source;
    }
    let values: Vec<_> = headers.get_all("x-forwarded-for").collect();
    // Each proxy adds the address of who asked it at the end.
    let hops = values
        .iter()
        .rev()
        .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        // What is no address says nothing, and neither does what is before it: the source is who
        // passed it on.
        let Some(address) = address_of(hop) else {
            break;
        };
        source = address;
        if !is_trusted(source) {
            break;
        }
    }
    source
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => text
            .parse()
            .or_else(|_| {
                text.parse()
                    .map(|with_port: std::net::SocketAddr| with_port.ip())
            })
            .ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn network(text: &str) -> Network {
        Network::parse(text).unwrap()
    }

    #[test]
    fn a_network_is_an_address_with_or_without_a_prefix() {
        let holds = |text: &str, address: &str| network(text).holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.5", "10.0.0.5") && !holds("10.0.0.5", "10.0.0.4"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe00::1"));
        assert!(holds("0.0.0.0/0", "192.0.2.1") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "192.0.2.1"));
        assert!(holds("192.0.2.128/25", "192.0.2.129") && !holds("192.0.2.128/25", "192.0.2.127"));
        for text in [
            "",
            "x",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "/8",
            "::/129",
            "10.0.0.1/8",
            "fd00::1/64",
            "10.0.0.0/8/8",
            "10.0.0.5:80",
            "localhost",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_source_is_the_last_address_that_is_not_a_trusted_proxy() {
        let trusted = [network("10.0.0.0/8"), network("fd00::/8")];
        for (peer, headers, source) in [
            // Nobody to be believed.
            ("192.0.2.9", &["203.0.113.7"][..], "192.0.2.9"),
            ("::ffff:192.0.2.9", &[], "192.0.2.9"),
            // One proxy, which adds who asked it to what the client had sent.
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["127.0.0.1", "203.0.113.7"], "203.0.113.7"),
            // Two of them.
            ("10.0.0.1", &["1.1.1.1 ,203.0.113.7,fd00::2"], "203.0.113.7"),
            (
                "10.0.0.1",
                &["203.0.113.7", "[fd00::2]:8080"],
                "203.0.113.7",
            ),
            // The forms of an address.
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
            // Nothing but proxies: the first of them.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Nothing to go by.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7, _hidden, 10.0.0.2"], "10.0.0.2"),
        ] {
            let mut map = HeaderMap::new();
            for value in headers {
                let name = HeaderName::from_static("x-forwarded-for");
                map.append(name, HeaderValue::from_static(value));
            }
            let found = behind_proxies(peer.parse().unwrap(), &map, &trusted);
            assert_eq!(
                found,
                source.parse::<IpAddr>().unwrap(),
                "{peer} {headers:?}"
            );
        }
    }
}
