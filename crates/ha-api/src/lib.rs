//! The operator's interface of a node: requests, answers, JSON envelope, socket.
