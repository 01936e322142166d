//! Who is the primary: the Sentinels know.

use futures::FutureExt;
use futures::future::select_ok;
use kvgate_core::{Error, Kind, Result};
use redis::Value;

use super::connection::{Address, Connection, Dialer};
use super::fault;
use super::settings::Sentinels;
use super::slots::address;

/// Connects to the primary. All Sentinels are asked at once, and the first one counts
/// that names a server which is a primary indeed: one may be down or not yet know of
/// a failover.
pub(super) async fn connect(sentinels: &Sentinels, dialer: &Dialer) -> Result<Connection> {
    let to_sentinels =
        Dialer { product: "Sentinel", login: sentinels.login.clone(), ..dialer.clone() };
    let to_sentinels = &to_sentinels;
    let attempts = sentinels.addresses.iter().map(|sentinel| {
        async move {
            let primary = ask(sentinel, &sentinels.service, to_sentinels).await?;
            let connection = dialer.connect(&primary).await?;
            check_primary(&connection, &primary, dialer).await?;
            Ok(connection)
        }
        .boxed()
    });
    select_ok(attempts).await.map(|(connection, _)| connection)
}

/// Where a Sentinel says that the primary is.
async fn ask(sentinel: &Address, service: &str, dialer: &Dialer) -> Result<Address> {
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    let answer = match dialer.connect(sentinel).await?.ask(question).await? {
        Value::Nil => {
            let text = format!("the Sentinel at {sentinel} knows no {service} (sentinel_service)");
            return Err(Error::new(Kind::Unavailable, text));
        }
        Value::Array(parts) => parts,
        _ => Vec::new(),
    };
    let [Value::BulkString(host), Value::BulkString(port)] = answer.as_slice() else {
        return Err(fault::unexpected("SENTINEL"));
    };
    let text = |bytes| std::str::from_utf8(bytes).ok();
    match (text(host), text(port).and_then(|port| port.parse().ok())) {
        (Some(host), Some(port)) => Ok(address(host, port, &sentinel.host)),
        _ => Err(fault::unexpected("SENTINEL")),
    }
}

async fn check_primary(connection: &Connection, at: &Address, dialer: &Dialer) -> Result<()> {
    let role = connection.ask(redis::cmd("ROLE")).await?;
    let is_primary = matches!(role, Value::Array(parts)
        if parts.first() == Some(&Value::BulkString(b"master".to_vec())));
    if is_primary {
        return Ok(());
    }
    let text = format!("{} at {at} is not the primary yet or no longer", dialer.product);
    Err(Error::new(Kind::Unavailable, text))
}
