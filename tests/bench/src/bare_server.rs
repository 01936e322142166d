//! The bare service under the two shapes of runtime, as a process of its own.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use kvgate_proto::v1::key_value_service_server::KeyValueServiceServer;
use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::Result;
use crate::args::Runtime;
use crate::bare::Bare;

/// New connections that may wait for a runtime to take them.
const WAITING_CONNECTIONS_MAX: usize = 64;

/// Serves until killed. Prints where it listens, as kvgate does.
pub(crate) fn serve(runtime: Runtime) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("bare server listening on {}", listener.local_addr()?);
    match runtime {
        Runtime::MultiThread => serve_multi_thread(listener),
        Runtime::PerCore => serve_per_core(&listener),
    }
}

fn serve_multi_thread(listener: TcpListener) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder()
            .add_service(KeyValueServiceServer::new(Bare::new()))
            .serve_with_incoming(incoming)
            .await?;
        Ok(())
    })
}

/// Accepts on this thread and hands the connections to the runtimes in turn.
fn serve_per_core(listener: &TcpListener) -> Result<()> {
    let service = TowerToHyperService::new(KeyValueServiceServer::new(Bare::new()));
    let mut runtimes = Vec::new();
    for _ in 0..thread::available_parallelism()?.get() {
        let (sender, receiver) = mpsc::channel(WAITING_CONNECTIONS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let service = service.clone();
        thread::spawn(move || runtime.block_on(serve_handed(receiver, service)));
        runtimes.push(sender);
    }
    for runtime in runtimes.iter().cycle() {
        let (connection, _) = listener.accept()?;
        runtime.blocking_send(connection)?;
    }
    Ok(())
}

async fn serve_handed(
    mut connections: mpsc::Receiver<TcpStream>,
    service: TowerToHyperService<KeyValueServiceServer<Bare>>,
) {
    while let Some(connection) = connections.recv().await {
        let service = service.clone();
        tokio::spawn(async move {
            let served = match into_tokio(connection) {
                Ok(io) => http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(io), service)
                    .await
                    .map_err(io::Error::other),
                Err(error) => Err(error),
            };
            if let Err(error) = served {
                eprintln!("bare server: connection failed: {error}");
            }
        });
    }
}

fn into_tokio(connection: TcpStream) -> io::Result<tokio::net::TcpStream> {
    connection.set_nodelay(true)?;
    connection.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(connection)
}
