// Package rialto is the client of Rialto, a messaging server. One session has many namespaces and rooms; it reconnects
// by itself, goes on where it was, and says what it knows and what it does not. A client without a session publishes,
// looks inside, and hands jobs over; a worker does them.
//
//	session, err := rialto.Connect(ctx, "http://127.0.0.1:7400", rialto.WithUser("ann"))
//	room := session.Namespace("chat").Room("general")
//	state, err := room.Join(ctx, rialto.Newest(20))
//	accepted, err := room.Emit(ctx, "message", "hi", rialto.Header("lang", "en"))
//
// Everything takes a context. Where that has no deadline, 10 s hold, or what [WithDeadline] says. What gives many items
// is a [Stream]: range over its channel C, then ask Err. Every failure is an [Error].
package rialto
