//! A netlink socket with the two options that `rustix` does not know.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Make a socket to the rtnetlink of the calling thread's network namespace: errors come with the kernel's words, and
/// do not repeat the request (netlink(7), `NETLINK_EXT_ACK`, `NETLINK_CAP_ACK`).
///
/// # Errors
/// What socket(2) or setsockopt(2) say.
pub fn socket() -> io::Result<OwnedFd> {
    // protocol 0 of this family is NETLINK_ROUTE
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let on: libc::c_int = 1;
    for option in [libc::NETLINK_CAP_ACK, libc::NETLINK_EXT_ACK] {
        // SAFETY: `on` lives through the call, and its size is the one given.
        let done = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(socket)
}
