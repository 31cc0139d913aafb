package dev.rialto;

import java.net.URI;
import java.net.URISyntaxException;

/** Where a server is. */
record Address(String host, int port, boolean secure) {
  private static final int PORT = 80;
  private static final int SECURE_PORT = 443;

  /** Reads an address; anything but {@code http://} or {@code https://} with a host is {@code INVALID}. */
  static Address of(String url) {
    try {
      URI uri = new URI(url);
      boolean secure = "https".equalsIgnoreCase(uri.getScheme());
      boolean known = secure || "http".equalsIgnoreCase(uri.getScheme());
      if (known && uri.getHost() != null) {
        return new Address(uri.getHost(), uri.getPort() >= 0 ? uri.getPort() : secure ? SECURE_PORT : PORT, secure);
      }
    } catch (URISyntaxException | NullPointerException broken) {
      // Said below, with the address.
    }
    throw Failures.invalid("an address begins with http:// or https://, and " + url + " does not");
  }
}
