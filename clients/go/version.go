package rialto

// version is what a server is told about this client.
const version = "0.1.0"
