package dev.rialto;

import java.time.Duration;
import java.util.Map;

/** What a session is opened with. */
record SessionSettings(
    String user,
    Tokens tokens,
    Map<String, String> attributes,
    String program,
    String version,
    Duration deadline,
    Duration connectTimeout,
    OfflineBuffer offline,
    int eventsWaiting,
    boolean waitForServer) {}
