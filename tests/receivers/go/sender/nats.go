package main

import "github.com/nats-io/nats.go"

type natsVoice struct {
	client *nats.Conn
}

func connectNats(url string) (voice, error) {
	client, err := nats.Connect(url)
	return natsVoice{client}, err
}

func (v natsVoice) say(count int) error {
	for range count {
		if err := v.client.Publish("bench-room", []byte(payload)); err != nil {
			return err
		}
	}
	return nil
}
