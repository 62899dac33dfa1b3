//! The floor: a bare actix handler behind one route, in the same build, that answers with as many
//! bytes and the same headers as the service does. What is faster than it is not an HTTP server.
//!
//! It is told over HTTP what to answer: `PUT /shape` takes a [`Shape`]. Bodies are slices at random
//! places of a buffer that no processor's cache holds, since one hot body would flatter it.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpResponseBuilder, HttpServer};
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::draw::Draw;
use crate::http;
use crate::tokens::key::{KeyError, SigningKey};

/// Where the floor answers.
pub const PATH: &str = "/floor";

/// What the floor answers with.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Shape {
    pub headers: Vec<(String, String)>,
    /// How many bytes a body has; 0 for an answer to HEAD, which has none.
    pub length: usize,
    /// Reads the body of each request, and makes one ES256 signature.
    pub signs: bool,
}

/// The shape, ready to be sent.
struct Ready {
    headers: Vec<(HeaderName, HeaderValue)>,
    shape: Shape,
}

impl Ready {
    fn of(shape: Shape) -> Self {
        let headers = shape.headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        });
        Self {
            headers: headers.collect(),
            shape,
        }
    }
}

struct Floor {
    ready: ArcSwap<Ready>,
    /// What bodies are slices of.
    buffer: Bytes,
    key: SigningKey,
}

/// More than a processor's cache holds, and more than the longest body.
const BUFFER: usize = 32 << 20;

/// Serves the floor on a listener, with the settings that the service has.
pub fn serve(listener: TcpListener) -> std::io::Result<Server> {
    let key = SigningKey::generate()
        .map_err(|error: KeyError| std::io::Error::other(error.to_string()))?;
    let floor = Data::new(Floor {
        ready: ArcSwap::from_pointee(Ready::of(Shape::default())),
        buffer: Bytes::from(vec![b'x'; BUFFER]),
        key,
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(floor.clone())
            .service(web::resource(PATH).route(web::route().to(answer)))
            .service(web::resource("/shape").route(web::put().to(take_shape)))
    });
    let server = server
        .keep_alive(KeepAlive::Os)
        .h1_write_buffer_size(http::WRITE_BUFFER);
    Ok(server.listen(listener)?.run())
}

async fn take_shape(floor: Data<Floor>, shape: web::Json<Shape>) -> HttpResponse {
    floor.ready.store(Arc::new(Ready::of(shape.into_inner())));
    HttpResponse::NoContent().finish()
}

async fn answer(floor: Data<Floor>, body: Bytes) -> HttpResponse {
    let ready = floor.ready.load();
    let mut builder = HttpResponse::Ok();
    for header in &ready.headers {
        builder.append_header(header.clone());
    }
    if ready.shape.signs {
        let signature = floor.key.sign(&body);
        return respond(
            builder,
            &floor.buffer,
            ready.shape.length,
            signature.map_or(0, |made| made[0].into()),
        );
    }
    respond(builder, &floor.buffer, ready.shape.length, next_place())
}

fn respond(
    mut builder: HttpResponseBuilder,
    buffer: &Bytes,
    length: usize,
    place: u64,
) -> HttpResponse {
    if length == 0 {
        return builder.body(NoBody);
    }
    let length = length.min(buffer.len());
    let room = (buffer.len() - length) as u64;
    let start = (place % (room + 1)) as usize;
    builder.body(buffer.slice(start..start + length))
}

fn next_place() -> u64 {
    thread_local! {
        static PLACES: std::cell::RefCell<Draw> = const { std::cell::RefCell::new(Draw::new(1)) };
    }
    PLACES.with_borrow_mut(Draw::number)
}

/// Of an answer to HEAD: neither bytes nor a length, as the service's.
struct NoBody;

impl MessageBody for NoBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::None
    }

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}
