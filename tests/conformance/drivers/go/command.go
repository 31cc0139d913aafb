package main

import (
	"encoding/json"
	"time"
)

// command is what is to be done, by whom, and its arguments by their kinds.
type command struct {
	id        uint64
	by, verb  string
	arguments map[string]any
}

func readCommand(line []byte) (*command, error) {
	var head struct {
		ID uint64
		By string
		Do string
	}
	var arguments map[string]any
	if err := json.Unmarshal(line, &head); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &arguments); err != nil {
		return nil, err
	}
	return &command{head.ID, head.By, head.Do, arguments}, nil
}

// of is the same command with a table of it as its arguments.
func (c *command) of(arguments map[string]any) *command {
	return &command{c.id, c.by, c.verb, arguments}
}

func (c *command) has(key string) bool {
	_, has := c.arguments[key]
	return has
}

func (c *command) text(key string) string {
	text, _ := c.arguments[key].(string)
	return text
}

func (c *command) number(key string) uint64 {
	number, _ := c.arguments[key].(float64)
	return uint64(number)
}

// span is a length of time, given in milliseconds.
func (c *command) span(key string) time.Duration {
	return time.Duration(c.number(key)) * time.Millisecond
}

func (c *command) flag(key string) bool {
	flag, _ := c.arguments[key].(bool)
	return flag
}

func (c *command) table(key string) map[string]any {
	table, _ := c.arguments[key].(map[string]any)
	return table
}

func (c *command) pairs(key string) map[string]string {
	pairs := map[string]string{}
	for key, value := range c.table(key) {
		pairs[key], _ = value.(string)
	}
	return pairs
}

func (c *command) list(key string) []any {
	list, _ := c.arguments[key].([]any)
	return list
}

// tables are the items of a list, each as a command of its own.
func (c *command) tables(key string) (tables []*command) {
	for _, item := range c.list(key) {
		if table, ok := item.(map[string]any); ok {
			tables = append(tables, c.of(table))
		}
	}
	return tables
}

func (c *command) texts(key string) (texts []string) {
	for _, item := range c.list(key) {
		if text, ok := item.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}
