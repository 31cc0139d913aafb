//! The edge below gRPC: connections, limits, TLS, strict requests, pages.
