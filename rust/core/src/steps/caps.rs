//! Capabilities: root's power in 41 pieces (capabilities(7)).
//!
//! The bounding set is cut while the process still may; the four other sets are put on after it became its user, since
//! setresuid(2) takes them away. In between, "keep capabilities" carries the permitted set over.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
};
use serde::Deserialize;

use crate::capability;
use crate::error::{Attempt, Error, Result};

/// The five sets, by names such as `CAP_CHOWN`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Names {
    bounding: Vec<String>,
    effective: Vec<String>,
    inheritable: Vec<String>,
    permitted: Vec<String>,
    ambient: Vec<String>,
}

/// The five sets as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sets {
    bounding: u64,
    effective: u64,
    inheritable: u64,
    permitted: u64,
    ambient: u64,
}

impl Sets {
    /// Look up all names.
    pub fn parse(names: &Names) -> Result<Self> {
        Ok(Self {
            bounding: bits(&names.bounding)?,
            effective: bits(&names.effective)?,
            inheritable: bits(&names.inheritable)?,
            permitted: bits(&names.permitted)?,
            ambient: bits(&names.ambient)?,
        })
    }

    /// Cut the bounding set, and keep the rest over the change of the user.
    pub fn cut(&self) -> Result<()> {
        for number in 0..u64::BITS {
            let one = 1u64 << number;
            if self.bounding & one != 0 {
                continue;
            }
            match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(one)) {
                Err(Errno::INVAL) => break, // the kernel has no capability of this number, nor above
                other => other.attempt(|| format!("drop capability {} from the bounding set", number))?,
            }
        }
        set_keep_capabilities(true).attempt(|| "keep capabilities over the change of the user".into())
    }

    /// Put the other four on.
    pub fn put_on(&self) -> Result<()> {
        let sets = CapabilitySets {
            effective: CapabilitySet::from_bits_retain(self.effective),
            permitted: CapabilitySet::from_bits_retain(self.permitted),
            inheritable: CapabilitySet::from_bits_retain(self.inheritable),
        };
        set_capabilities(None, sets).attempt(|| "set the capabilities".into())?;
        clear_ambient_capability_set().attempt(|| "clear the ambient capabilities".into())?;
        // The kernel takes only those that are permitted and inheritable too. `runc spec` writes a list that is not, and
        // the specification says that what cannot be granted is left out.
        let ambient = self.ambient & self.permitted & self.inheritable;
        for number in (0..u64::BITS).filter(|number| ambient & (1 << number) != 0) {
            configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << number), true)
                .attempt(|| format!("raise ambient capability {}", number))?;
        }
        Ok(())
    }
}

fn bits(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |bits, name| {
        capability::number(name)
            .map(|number| bits | 1 << number)
            .ok_or_else(|| Error::plain(format!("no such capability: {name:?}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_numbers_of_the_kernel() {
        assert_eq!(bits(&["CAP_SYS_ADMIN".into()]).unwrap(), CapabilitySet::SYS_ADMIN.bits());
        assert_eq!(bits(&["CAP_CHECKPOINT_RESTORE".into()]).unwrap(), CapabilitySet::CHECKPOINT_RESTORE.bits());
    }

    #[test]
    fn a_name_that_nobody_knows_is_an_error() {
        assert!(bits(&["CAP_EVERYTHING".into()]).is_err());
        assert!(bits(&["CHOWN".into()]).is_err());
    }
}
