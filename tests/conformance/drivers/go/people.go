package main

import (
	"sync"

	rialto "rialto.dev/client"
)

// people are who there is, by name: sessions, clients without one, streams of events, workers.
type people struct {
	mu       sync.Mutex
	sessions map[string]*rialto.Session
	clients  map[string]*rialto.Client
	readers  map[string]*reader
	shifts   map[string]*shift
}

func newPeople() *people {
	return &people{
		sessions: map[string]*rialto.Session{},
		clients:  map[string]*rialto.Client{},
		readers:  map[string]*reader{},
		shifts:   map[string]*shift{},
	}
}

func find[T any](p *people, among map[string]T, by, is string) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := among[by]
	if !ok {
		return found, notHere(by + " " + is)
	}
	return found, nil
}

func keep[T any](p *people, among map[string]T, by string, one T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	among[by] = one
}

func (p *people) session(c *command) (*rialto.Session, error) {
	return find(p, p.sessions, c.by, "has no session")
}

func (p *people) client(c *command) (*rialto.Client, error) {
	return find(p, p.clients, c.by, "is no client")
}

func (p *people) namespace(c *command) (*rialto.Namespace, error) {
	session, err := p.session(c)
	if err != nil {
		return nil, err
	}
	return session.Namespace(c.text("namespace")), nil
}

func (p *people) room(c *command) (*rialto.Room, error) {
	namespace, err := p.namespace(c)
	if err != nil {
		return nil, err
	}
	return namespace.Room(c.text("room")), nil
}
