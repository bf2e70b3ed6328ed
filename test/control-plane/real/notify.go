package main

import (
	"net"
	"os"

	"github.com/sirupsen/logrus"
)

// notifySystemd sends a state line to the service manager, when there is one (sd_notify(3)).
func notifySystemd(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	connection, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		_, err = connection.Write([]byte(state))
		connection.Close()
	}
	if err != nil {
		logrus.Warnf("Could not notify the service manager: %v", err)
	}
}
