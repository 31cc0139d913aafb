package dev.rialto;

import io.grpc.MethodDescriptor;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import rialto.v1.Code.Then;
import rialto.v1.Directory.CreateNamespaceRequest;
import rialto.v1.Directory.DeleteNamespaceRequest;
import rialto.v1.Directory.DisconnectMembersRequest;
import rialto.v1.Directory.GetNamespaceRequest;
import rialto.v1.Directory.GetRoomRequest;
import rialto.v1.Directory.GetSessionRequest;
import rialto.v1.Directory.JoinMembersRequest;
import rialto.v1.Directory.ListMembersRequest;
import rialto.v1.Directory.ListNamespacesRequest;
import rialto.v1.Directory.ListRoomsRequest;
import rialto.v1.Directory.NamespaceSettings;
import rialto.v1.Directory.PartMembersRequest;
import rialto.v1.Directory.UpdateAttributesRequest;
import rialto.v1.Directory.UpdateNamespaceRequest;
import rialto.v1.Directory.WatchRoomsRequest;
import rialto.v1.Directory.WatchRoomsResponse;
import rialto.v1.DirectoryServiceGrpc;

/**
 * Looking inside a server and acting on what is there, for operators and backends. Reading needs the right {@code presence}, changing {@code
 * admin}. Namespaces and sessions are given as the contract has them.
 */
public final class Directory {
  private final ClientCore core;

  Directory(ClientCore core) {
    this.core = core;
  }

  /**
   * A room.
   *
   * @param namespace its namespace
   * @param name its name
   * @param memberCount how many members it has
   * @param nodesMissing nodes that did not answer, when one room was asked for
   */
  public record RoomEntry(String namespace, String name, int memberCount, List<String> nodesMissing) {
    static RoomEntry of(rialto.v1.Directory.Room room, List<String> nodesMissing) {
      return new RoomEntry(room.getNamespace(), room.getRoom(), room.getMemberCount(), nodesMissing);
    }
  }

  /**
   * How many sessions were reached by an action.
   *
   * @param count those that it has changed
   * @param refused those that could not be changed, because of a limit
   * @param nodesMissing nodes that did not answer
   */
  public record Changed(int count, int refused, List<String> nodesMissing) {}

  /** What disconnected sessions are told to do next. */
  public enum Next {
    /** Not to come back by themselves. */
    STAY_AWAY,
    /** To come back as other sessions. */
    RECONNECT,
    /** To come back and go on. */
    RESUME;

    Then wire() {
      return switch (this) {
        case STAY_AWAY -> Then.THEN_STAY_AWAY;
        case RECONNECT -> Then.THEN_RECONNECT;
        case RESUME -> Then.THEN_RESUME;
      };
    }
  }

  private <Q, R, T> CompletableFuture<T> ask(MethodDescriptor<Q, R> method, Q request, Function<R, T> made) {
    return core.call(method, request, null, made);
  }

  /** Namespaces that exist now, by name. */
  public CompletableFuture<Page<rialto.v1.Directory.Namespace>> namespaces(PageOf page) {
    return ask(
        DirectoryServiceGrpc.getListNamespacesMethod(),
        ListNamespacesRequest.newBuilder().setPageSize(page.size()).setPageToken(page.token()).build(),
        found ->
            new Page<>(
                List.copyOf(found.getNamespacesList()), found.getNextPageToken(), found.getTotalCount(), List.copyOf(found.getNodesMissingList())));
  }

  /** One namespace with its settings and counts. */
  public CompletableFuture<rialto.v1.Directory.Namespace> namespace(String namespace) {
    GetNamespaceRequest request = GetNamespaceRequest.newBuilder().setNamespace(namespace).build();
    return ask(DirectoryServiceGrpc.getGetNamespaceMethod(), request, found -> found.getNamespace());
  }

  /** Makes a namespace. Absent settings have their defaults. */
  public CompletableFuture<rialto.v1.Directory.Namespace> createNamespace(String namespace, NamespaceSettings settings) {
    CreateNamespaceRequest request = CreateNamespaceRequest.newBuilder().setNamespace(namespace).setSettings(settings).build();
    return ask(DirectoryServiceGrpc.getCreateNamespaceMethod(), request, made -> made.getNamespace());
  }

  /** Changes the settings of a namespace. Absent ones stay. */
  public CompletableFuture<rialto.v1.Directory.Namespace> updateNamespace(String namespace, NamespaceSettings settings) {
    UpdateNamespaceRequest request = UpdateNamespaceRequest.newBuilder().setNamespace(namespace).setSettings(settings).build();
    return ask(DirectoryServiceGrpc.getUpdateNamespaceMethod(), request, changed -> changed.getNamespace());
  }

  /** Deletes a namespace; says how many sessions have left it. */
  public CompletableFuture<Integer> deleteNamespace(String namespace) {
    DeleteNamespaceRequest request = DeleteNamespaceRequest.newBuilder().setNamespace(namespace).build();
    return ask(DirectoryServiceGrpc.getDeleteNamespaceMethod(), request, gone -> gone.getSessionsChanged());
  }

  /** Rooms of a namespace that have members and whose names begin so, by name. */
  public CompletableFuture<Page<RoomEntry>> rooms(String namespace, String prefix, PageOf page) {
    ListRoomsRequest.Builder request = ListRoomsRequest.newBuilder().setNamespace(namespace).setPrefix(prefix);
    return ask(
        DirectoryServiceGrpc.getListRoomsMethod(),
        request.setPageSize(page.size()).setPageToken(page.token()).build(),
        found ->
            new Page<>(
                found.getRoomsList().stream().map(room -> RoomEntry.of(room, List.of())).toList(),
                found.getNextPageToken(),
                found.getTotalCount(),
                List.copyOf(found.getNodesMissingList())));
  }

  /** One room; the count of one without members is zero. */
  public CompletableFuture<RoomEntry> room(String namespace, String room) {
    GetRoomRequest request = GetRoomRequest.newBuilder().setNamespace(namespace).setRoom(room).build();
    return ask(
        DirectoryServiceGrpc.getGetRoomMethod(), request, found -> RoomEntry.of(found.getRoom(), List.copyOf(found.getNodesMissingList())));
  }

  /** Members of a room, or everyone in the namespace when the room is empty, by session. */
  public CompletableFuture<Page<Member>> members(String namespace, String room, PageOf page) {
    ListMembersRequest.Builder request = ListMembersRequest.newBuilder().setNamespace(namespace).setRoom(room);
    return ask(
        DirectoryServiceGrpc.getListMembersMethod(),
        request.setPageSize(page.size()).setPageToken(page.token()).build(),
        found ->
            new Page<>(
                found.getMembersList().stream().map(Member::of).toList(),
                found.getNextPageToken(),
                found.getTotalCount(),
                List.copyOf(found.getNodesMissingList())));
  }

  /** One session with its rooms. */
  public CompletableFuture<rialto.v1.Directory.Session> session(String session) {
    GetSessionRequest request = GetSessionRequest.newBuilder().setSessionId(session).build();
    return ask(DirectoryServiceGrpc.getGetSessionMethod(), request, found -> found.getSession());
  }

  /** Has sessions join rooms; in force for the next event when it has ended. */
  public CompletableFuture<Changed> joinMembers(String namespace, Target target, List<String> rooms) {
    JoinMembersRequest request = JoinMembersRequest.newBuilder().setNamespace(namespace).setTarget(target.wire()).addAllRooms(rooms).build();
    return ask(
        DirectoryServiceGrpc.getJoinMembersMethod(),
        request,
        done -> new Changed(done.getSessionsChanged(), done.getSessionsRefused(), List.copyOf(done.getNodesMissingList())));
  }

  /** Has sessions part rooms; in force for the next event when it has ended. */
  public CompletableFuture<Changed> partMembers(String namespace, Target target, List<String> rooms) {
    PartMembersRequest request = PartMembersRequest.newBuilder().setNamespace(namespace).setTarget(target.wire()).addAllRooms(rooms).build();
    return ask(
        DirectoryServiceGrpc.getPartMembersMethod(),
        request,
        done -> new Changed(done.getSessionsChanged(), 0, List.copyOf(done.getNodesMissingList())));
  }

  /** Ends sessions. The reason, at most 256 bytes, is for their programs. */
  public CompletableFuture<Changed> disconnectMembers(String namespace, Target target, String reason, Next next) {
    DisconnectMembersRequest request =
        DisconnectMembersRequest.newBuilder()
            .setNamespace(namespace)
            .setTarget(target.wire())
            .setReason(reason)
            .setThen(next.wire())
            .build();
    return ask(
        DirectoryServiceGrpc.getDisconnectMembersMethod(),
        request,
        done -> new Changed(done.getSessionsChanged(), 0, List.copyOf(done.getNodesMissingList())));
  }

  /** Sets and removes attributes of sessions. */
  public CompletableFuture<Changed> updateAttributes(String namespace, Target target, Map<String, String> set, List<String> remove) {
    UpdateAttributesRequest request =
        UpdateAttributesRequest.newBuilder()
            .setNamespace(namespace)
            .setTarget(target.wire())
            .putAllSet(set)
            .addAllRemove(remove)
            .build();
    return ask(
        DirectoryServiceGrpc.getUpdateAttributesMethod(),
        request,
        done -> new Changed(done.getSessionsChanged(), done.getSessionsRefused(), List.copyOf(done.getNodesMissingList())));
  }

  /**
   * What happens to the rooms of a namespace, or to one when it is named. It opens within the deadline, and then lasts. It is not taken up
   * again by itself when the connection is lost, since nobody could tell its gap: it ends with that failure.
   */
  public CompletableFuture<Feed<WatchRoomsResponse>> watchRooms(String namespace, String room) {
    WatchRoomsRequest request = WatchRoomsRequest.newBuilder().setNamespace(namespace).setRoom(room).build();
    return new Watching<>(core, DirectoryServiceGrpc.getWatchRoomsMethod(), request).begin();
  }
}
