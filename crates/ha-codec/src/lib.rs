//! Frames on the wire and on disk: bincode with limits, sealing with ring.
