package main

import (
	"log"
	"strings"

	"golang.org/x/net/websocket"
)

// What Socket.IO has on its WebSocket: packets of Engine.IO (the first digit), and in a message of it one of Socket.IO.
const (
	ping      = "2"
	pong      = "3"
	enter     = "40"
	event     = "42"
	readySays = `42["ready"`
)

type socketioVoice struct {
	socket *websocket.Conn
	packet string
}

func connectSocketIO(url string) (voice, error) {
	at := strings.Replace(url, "http:", "ws:", 1) + "/socket.io/?EIO=4&transport=websocket&role=sender"
	socket, err := websocket.Dial(at, "", url)
	if err != nil {
		return nil, err
	}
	var opened string
	if err := websocket.Message.Receive(socket, &opened); err != nil {
		return nil, err
	}
	if err := websocket.Message.Send(socket, enter); err != nil {
		return nil, err
	}
	for packet := ""; !strings.HasPrefix(packet, readySays); {
		if err := websocket.Message.Receive(socket, &packet); err != nil {
			return nil, err
		}
	}
	go answerPings(socket)
	return socketioVoice{socket, event + `["e","` + payload + `"]`}, nil
}

func answerPings(socket *websocket.Conn) {
	for {
		var packet string
		if err := websocket.Message.Receive(socket, &packet); err != nil {
			log.Fatal(err)
		}
		if packet != ping {
			continue
		}
		if err := websocket.Message.Send(socket, pong); err != nil {
			log.Fatal(err)
		}
	}
}

func (v socketioVoice) say(count int) error {
	for range count {
		if err := websocket.Message.Send(v.socket, v.packet); err != nil {
			return err
		}
	}
	return nil
}
