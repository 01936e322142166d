//! What the errors of D-Bus and of the Secret Service mean.

use std::io;
use std::sync::Arc;

use kvgate_core::{Error, Kind};
use secret_service::Error as ServiceError;
use zbus::DBusError as _;

/// Why work on a keyring failed.
pub(super) enum Failure {
    /// The connection or its session is gone: the same may work over a new one.
    Stale(ServiceError),
    /// Something is gone that was just found. Only a search can tell whether it is.
    Gone(ServiceError),
    /// It would fail again.
    Final(ServiceError),
}

impl From<ServiceError> for Failure {
    fn from(cause: ServiceError) -> Self {
        match meaning(&cause) {
            Meaning::Stale => Self::Stale(cause),
            Meaning::Gone => Self::Gone(cause),
            _ => Self::Final(cause),
        }
    }
}

impl Failure {
    /// The failure of what must not be done a second time.
    pub(super) fn once(cause: ServiceError) -> Self {
        match Self::from(cause) {
            Self::Stale(cause) => Self::Final(cause),
            not_done => not_done,
        }
    }

    /// What was asked before was not asked of the daemon that answers now.
    pub(super) fn restarted() -> Self {
        let cause = io::Error::new(io::ErrorKind::ConnectionReset, "its daemon was restarted");
        Self::Stale(ServiceError::Zbus(zbus::Error::InputOutput(Arc::new(cause))))
    }

    pub(super) fn into_cause(self) -> ServiceError {
        match self {
            Self::Stale(cause) | Self::Gone(cause) | Self::Final(cause) => cause,
        }
    }
}

/// Nothing, if the item was removed since it was found.
pub(super) fn unless_gone<T>(answer: Result<T, ServiceError>) -> Result<Option<T>, ServiceError> {
    match answer {
        Err(cause) if matches!(meaning(&cause), Meaning::Gone) => Ok(None),
        answer => answer.map(Some),
    }
}

/// The error for the caller, with what to do about it.
pub(super) fn error(cause: ServiceError) -> Error {
    let meaning = meaning(&cause);
    let (kind, context) = match meaning {
        Meaning::Locked => (
            Kind::Unavailable,
            "the keyring is locked: log in to unlock it, or start its daemon unlocked \
             (gnome-keyring-daemon --unlock reads the password from its standard input)",
        ),
        Meaning::Absent => (
            Kind::Unavailable,
            "no keyring answers on D-Bus: start one (gnome-keyring-daemon --unlock) in this \
             session, or say by dbus_address or DBUS_SESSION_BUS_ADDRESS where it is",
        ),
        Meaning::Gone => (
            Kind::Unavailable,
            "the Secret Service is about to end, or has no default keyring: log in once, or start \
             its daemon with a password (gnome-keyring-daemon --unlock), which makes one",
        ),
        Meaning::Denied => (Kind::AccessDenied, "the keyring denies access to this user"),
        Meaning::Stale => (Kind::Unavailable, "the connection to the keyring broke"),
        Meaning::Silent => {
            (Kind::Unavailable, "the keyring did not answer in time: it hangs or is overloaded")
        }
        Meaning::Other => (Kind::Unavailable, "the keyring failed"),
    };
    let error = Error::new(kind, context).with_source(cause);
    match meaning {
        Meaning::Locked | Meaning::Absent | Meaning::Gone | Meaning::Denied => error,
        Meaning::Stale | Meaning::Silent | Meaning::Other => error.may_have_happened(),
    }
}

/// What an error says of the keyring.
#[derive(Clone, Copy)]
enum Meaning {
    /// It wants a password.
    Locked,
    /// Nobody is there.
    Absent,
    /// It is there, but not what was named.
    Gone,
    Denied,
    /// It no longer knows us.
    Stale,
    /// It did not answer.
    Silent,
    Other,
}

fn meaning(cause: &ServiceError) -> Meaning {
    match cause {
        ServiceError::Locked | ServiceError::Prompt | ServiceError::PromptDisconnected => {
            Meaning::Locked
        }
        ServiceError::Unavailable => Meaning::Absent,
        ServiceError::Zbus(cause) | ServiceError::ZbusFdo(zbus::fdo::Error::ZBus(cause)) => {
            meaning_of_bus(cause)
        }
        ServiceError::ZbusFdo(cause) => meaning_of_name(cause.name().as_str()),
        _ => Meaning::Other,
    }
}

fn meaning_of_bus(cause: &zbus::Error) -> Meaning {
    match cause {
        zbus::Error::MethodError(name, ..) => meaning_of_name(name.as_str()),
        zbus::Error::FDO(cause) => meaning_of_name(cause.name().as_str()),
        zbus::Error::InputOutput(cause) if cause.kind() == io::ErrorKind::TimedOut => {
            Meaning::Silent
        }
        zbus::Error::InputOutput(_) => Meaning::Stale,
        zbus::Error::Connection(..) | zbus::Error::Address(_) => Meaning::Absent,
        zbus::Error::Handshake(_) => Meaning::Denied,
        _ => Meaning::Other,
    }
}

/// The names are those of the D-Bus and the Secret Service specifications.
fn meaning_of_name(name: &str) -> Meaning {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last {
        "IsLocked" => Meaning::Locked,
        "NoSession" | "Disconnected" => Meaning::Stale,
        "NoSuchObject" | "UnknownObject" | "UnknownMethod" | "UnknownInterface"
        | "UnknownProperty" => Meaning::Gone,
        "ServiceUnknown" | "NameHasNoOwner" | "NoServer" => Meaning::Absent,
        "AccessDenied" | "AuthFailed" => Meaning::Denied,
        "NoReply" | "Timeout" | "TimedOut" => Meaning::Silent,
        _ if name.contains(".Spawn.") => Meaning::Absent,
        _ => Meaning::Other,
    }
}
