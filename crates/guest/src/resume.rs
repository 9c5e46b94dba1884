//! Where the kernel looks for a hibernated system: `/etc/initramfs-tools/conf.d/resume`.

use serde::Serialize;

use crate::spec::Spec;
use crate::text::Spanned;

/// The device that `RESUME=` names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resume {
    /// The value as it stands there.
    pub value: Spanned<String>,
    /// What it names; `None` for `none` and `auto`.
    pub device: Option<Spec>,
}
