# SPDX-License-Identifier: Apache-2.0
"""Images of confidential VMs from Debian packages; docs/image.md says what is in one."""
