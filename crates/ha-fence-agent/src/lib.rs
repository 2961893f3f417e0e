//! What every fence agent of ours shares: options, actions, metadata, exit codes.
