package dev.rialto;

import io.grpc.DecompressorRegistry;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import java.io.ByteArrayInputStream;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;

/** How connections to one server are made. */
final class Channels {
  private static final int MESSAGE_MAX = 16 << 20;
  private static final int WINDOW = 512 << 10;
  private static final long PING_SECONDS = 20;
  private static final long PING_ANSWER_SECONDS = 10;

  private final Address address;
  private final byte[] roots;
  private final Loop loop;

  /**
   * @param roots certificates in PEM form that are trusted; null for those of the machine
   * @param loop where they are served, and where they tell
   */
  Channels(Address address, byte[] roots, Loop loop) {
    this.address = address;
    this.roots = roots;
    this.loop = loop;
  }

  /** A connection that is made when it is first used. */
  ManagedChannel make() {
    String host = address.host().startsWith("[") ? address.host().substring(1, address.host().length() - 1) : address.host();
    NettyChannelBuilder builder =
        NettyChannelBuilder.forAddress(host, address.port())
            .maxInboundMessageSize(MESSAGE_MAX)
            .flowControlWindow(WINDOW)
            .keepAliveTime(PING_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(PING_ANSWER_SECONDS, TimeUnit.SECONDS)
            .decompressorRegistry(DecompressorRegistry.emptyInstance())
            .disableRetry()
            .disableServiceConfigLookUp();
    loop.serve(builder);
    return (address.secure() ? secured(builder) : builder.usePlaintext()).build();
  }

  private NettyChannelBuilder secured(NettyChannelBuilder builder) {
    if (roots == null) {
      return builder.useTransportSecurity();
    }
    try {
      SslContextBuilder context = GrpcSslContexts.forClient().trustManager(new ByteArrayInputStream(roots));
      return builder.sslContext(context.build());
    } catch (SSLException | IllegalArgumentException broken) {
      throw Failures.invalid("the certificates cannot be read: " + broken.getMessage());
    }
  }
}
