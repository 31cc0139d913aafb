package dev.rialto;

import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.Channel;
import io.grpc.netty.shaded.io.netty.channel.EventLoop;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.Epoll;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.nio.NioEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioSocketChannel;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;

/**
 * The one thread on which a session, or a client, lives: its state needs no locks. Nothing of the application runs here. Its connections
 * are served by the same thread, because waking another one for each message costs more than what is done with it.
 */
final class Loop implements Executor {
  private static final long END_SECONDS_MAX = 1;

  private final EventLoopGroup group;
  private final EventLoop thread;

  Loop(String name) {
    ThreadFactory threads = new DefaultThreadFactory(name, true);
    group = Epoll.isAvailable() ? new EpollEventLoopGroup(1, threads) : new NioEventLoopGroup(1, threads);
    thread = group.next();
  }

  /** Has connections served by this thread, and all that they tell told on it, after what was handed over before. */
  void serve(NettyChannelBuilder connections) {
    Class<? extends Channel> sockets = Epoll.isAvailable() ? EpollSocketChannel.class : NioSocketChannel.class;
    connections.executor(this).eventLoopGroup(group).channelType(sockets);
  }

  /** Runs work after all that was handed over before. A loop that has ended passes it over. */
  @Override
  public void execute(Runnable work) {
    offer(work);
  }

  /** The same; false when the loop has ended, and the work will never run. */
  boolean offer(Runnable work) {
    try {
      thread.execute(work);
      return true;
    } catch (RejectedExecutionException ended) {
      return false;
    }
  }

  /** Runs work so much later, unless it is cancelled or the loop ends. */
  Timer after(Duration wait, Runnable work) {
    try {
      Future<?> planned = thread.schedule(work, Times.nanos(wait), TimeUnit.NANOSECONDS);
      return () -> planned.cancel(false);
    } catch (RejectedExecutionException ended) {
      return Timer.NONE;
    }
  }

  /** Ends once all that was handed over has run. What is planned for later does not. */
  void end() {
    group.shutdownGracefully(0, END_SECONDS_MAX, TimeUnit.SECONDS);
  }

  /** Something that is planned. */
  @FunctionalInterface
  interface Timer {
    Timer NONE = () -> {};

    void cancel();
  }
}
