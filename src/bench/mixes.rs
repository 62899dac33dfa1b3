//! What the service is asked for in a benchmark: each mix is one kind of request, for things that are
//! drawn anew each time.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::draw::Draw;
use super::load::Work;
use super::seed::{self, Population};

/// Where requests go, and as whom.
#[derive(Clone)]
pub struct Asking {
    pub address: SocketAddr,
    pub token: String,
    pub population: Population,
    pub connections: usize,
}

/// Connections of a list of everything: each answer is some megabytes.
const OF_WHOLE_LISTS: usize = 4;

impl Asking {
    /// A page of 100 at any place of the list.
    pub fn list(&self) -> Work {
        let places = self.population.clients.saturating_sub(100) + 1;
        self.get(move |draw, path| {
            let _ = write!(path, "?skip={}&count=100", draw.below(places));
        })
    }

    /// A page of 100 at one place.
    pub fn list_at(&self, skip: u64) -> Work {
        self.get(move |_, path| {
            let _ = write!(path, "?skip={skip}&count=100");
        })
    }

    /// A page of 100 at any place of those with one of the tags of the large groups.
    pub fn list_of_a_tag(&self) -> Work {
        let places = (self.population.clients / seed::SITES).saturating_sub(100) + 1;
        self.get(move |draw, path| {
            let site = seed::site(draw.number());
            let _ = write!(path, "?tag={site}&skip={}&count=100", draw.below(places));
        })
    }

    /// The first 100 of those that have two tags: one of a large group, one of a middle one.
    pub fn list_of_two_tags(&self) -> Work {
        self.get(|draw, path| {
            let number = draw.number();
            let (site, line) = (seed::site(number), seed::line(number));
            let _ = write!(path, "?tag={site}&tag={line}&count=100");
        })
    }

    /// How many there are.
    pub fn count(&self) -> Work {
        self.head(|_, _| {})
    }

    /// How many there are with a tag.
    pub fn count_of_a_tag(&self) -> Work {
        self.head(|draw, path| {
            let _ = write!(path, "?tag={}", seed::site(draw.number()));
        })
    }

    /// All of them.
    pub fn list_all(&self) -> Work {
        let clients = self.population.clients;
        let work = self.get(move |_, path| {
            let _ = write!(path, "?count={clients}");
        });
        Work {
            connections: OF_WHOLE_LISTS.min(work.connections),
            ..work
        }
    }

    /// All of them, of one tenant after another; counts those that were asked for.
    pub fn whole_list_of_next(&self, visited: Arc<AtomicU64>) -> Work {
        let Population { tenants, clients } = self.population;
        let head = self.head_of("GET", "");
        let request = move |_: &mut Draw, request: &mut Vec<u8>| {
            let tenant = seed::tenant(visited.fetch_add(1, Ordering::Relaxed) % tenants);
            head.write(&format!("{}?count={clients}", clients_of(tenant)), request);
        };
        Work {
            connections: 1,
            ..self.work(Arc::new(request))
        }
    }

    /// Any one client.
    pub fn get_one(&self) -> Work {
        let population = self.population;
        let head = self.head_of("GET", "");
        let request = move |draw: &mut Draw, request: &mut Vec<u8>| {
            let (tenant, number) = any(population, draw);
            let (tenant, client) = (seed::tenant(tenant), seed::client(tenant, number));
            let path = format!("{}/{client}", clients_of(tenant));
            head.write(&path, request);
        };
        self.work(Arc::new(request))
    }

    /// A token for any client, for its secret in the form.
    pub fn token(&self) -> Work {
        let (population, address) = (self.population, self.address);
        let request = move |draw: &mut Draw, request: &mut Vec<u8>| {
            let (tenant, number) = any(population, draw);
            write_token_request(address, tenant, number, request);
        };
        self.work(Arc::new(request))
    }

    /// A token for one client after another; counts those that were asked for.
    pub fn token_of_next(&self, visited: Arc<AtomicU64>) -> Work {
        let (population, address) = (self.population, self.address);
        let request = move |_: &mut Draw, request: &mut Vec<u8>| {
            let place = visited.fetch_add(1, Ordering::Relaxed);
            let tenant = place / population.clients % population.tenants;
            write_token_request(address, tenant, place % population.clients, request);
        };
        self.work(Arc::new(request))
    }

    /// Creates a client without tags, under an id that nobody had.
    pub fn create(&self) -> Work {
        let (population, callers) = (self.population, self.connections);
        let head = self.head_of("POST", "Content-Type: application/json\r\n");
        // Draws come again in the next turn; ids must not.
        let created = AtomicU64::new(0);
        let request = move |draw: &mut Draw, request: &mut Vec<u8>| {
            let tenant = seed::tenant(draw.below(population.tenants));
            // Anywhere in the order of ids, as those of people are.
            let place = Draw::new(created.fetch_add(1, Ordering::Relaxed)).number();
            let body = format!(r#"{{"Id":"{place:016x}-of-{callers}","Name":"Created"}}"#);
            head.write_with_body(&clients_of(tenant), &body, request);
        };
        Work {
            status: 201,
            ..self.work(Arc::new(request))
        }
    }

    /// Renames any client.
    pub fn update(&self) -> Work {
        let population = self.population;
        let head = self.head_of("PUT", "Content-Type: application/json\r\n");
        let request = move |draw: &mut Draw, request: &mut Vec<u8>| {
            let (tenant, number) = any(population, draw);
            let (tenant, client) = (seed::tenant(tenant), seed::client(tenant, number));
            let body = format!(
                r#"{{"Name":"Controller {number}, {:04x}"}}"#,
                draw.below(1 << 16)
            );
            head.write_with_body(&format!("{}/{client}", clients_of(tenant)), &body, request);
        };
        self.work(Arc::new(request))
    }

    /// The same on other connections.
    pub fn over(&self, connections: usize) -> Self {
        Self {
            connections,
            ..self.clone()
        }
    }

    fn get(&self, query: impl Fn(&mut Draw, &mut String) + Send + Sync + 'static) -> Work {
        self.of_clients("GET", query)
    }

    fn head(&self, query: impl Fn(&mut Draw, &mut String) + Send + Sync + 'static) -> Work {
        Work {
            bodyless: true,
            ..self.of_clients("HEAD", query)
        }
    }

    /// A request for the clients of any tenant, with a query.
    fn of_clients(
        &self,
        method: &'static str,
        query: impl Fn(&mut Draw, &mut String) + Send + Sync + 'static,
    ) -> Work {
        let tenants = self.population.tenants;
        let head = self.head_of(method, "");
        let request = move |draw: &mut Draw, request: &mut Vec<u8>| {
            let mut path = clients_of(seed::tenant(draw.below(tenants)));
            query(draw, &mut path);
            head.write(&path, request);
        };
        self.work(Arc::new(request))
    }

    fn head_of(&self, method: &'static str, more: &str) -> Head {
        Head {
            method,
            rest: format!(
                " HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{more}",
                self.address, self.token
            ),
        }
    }

    fn work(&self, request: super::load::WriteRequest) -> Work {
        Work {
            address: self.address,
            request,
            bodyless: false,
            status: 200,
            connections: self.connections,
        }
    }
}

/// What a request has besides its path.
struct Head {
    method: &'static str,
    rest: String,
}

impl Head {
    fn write(&self, path: &str, request: &mut Vec<u8>) {
        for part in [self.method, " ", path, &self.rest, "\r\n"] {
            request.extend_from_slice(part.as_bytes());
        }
    }

    fn write_with_body(&self, path: &str, body: &str, request: &mut Vec<u8>) {
        let length = format!("Content-Length: {}\r\n\r\n", body.len());
        for part in [self.method, " ", path, &self.rest, &length, body] {
            request.extend_from_slice(part.as_bytes());
        }
    }
}

/// One path of any server, by GET.
pub fn path(address: SocketAddr, path: &str, token: Option<&str>, connections: usize) -> Work {
    let authorization = token.map_or(String::new(), |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n");
    Work {
        address,
        request: Arc::new(move |_, out| out.extend_from_slice(request.as_bytes())),
        bodyless: false,
        status: 200,
        connections,
    }
}

/// Any tenant, and any client of it, by their numbers.
fn any(population: Population, draw: &mut Draw) -> (u64, u64) {
    (
        draw.below(population.tenants),
        draw.below(population.clients),
    )
}

fn clients_of(tenant: crate::domain::ids::TenantId) -> String {
    format!("/api/v1/Tenants/{tenant}/ClientCredentialClients")
}

/// The body of a request for a token. Ids and secrets are unreserved characters alone.
pub fn token_form(client: &str, secret: &str) -> String {
    format!("grant_type=client_credentials&client_id={client}&client_secret={secret}")
}

/// A request for a token of a client, by the numbers of its tenant and its own.
fn write_token_request(address: SocketAddr, tenant: u64, number: u64, request: &mut Vec<u8>) {
    let client = seed::client(tenant, number);
    let form = token_form(client.as_str(), &seed::secret_of(tenant, number));
    let head = format!(
        "POST /identity/connect/token HTTP/1.1\r\nHost: {address}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(form.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_creation_has_the_id_of_another_though_draws_come_again() {
        let asking = Asking {
            address: ([127, 0, 0, 1], 1).into(),
            token: String::new(),
            population: Population {
                tenants: 1,
                clients: 1,
            },
            connections: 64,
        };
        let (many, one) = (asking.create(), asking.over(1).create());
        let mut bodies = std::collections::HashSet::new();
        for _ in 0..3 {
            let mut draws = [Draw::new(1), Draw::new(1)];
            for (work, draw) in [&many, &one].into_iter().zip(&mut draws) {
                for _ in 0..100 {
                    let mut request = Vec::new();
                    (work.request)(draw, &mut request);
                    let text = String::from_utf8(request).unwrap();
                    assert!(bodies.insert(text.split("\r\n\r\n").nth(1).unwrap().to_owned()));
                }
            }
        }
    }
}
