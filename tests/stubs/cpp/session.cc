// A session from generated stubs: says hello, enters a room, hears itself there, and parts.
//   session [HOST:PORT]
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>
#include <string>

#include "rialto/v1/messaging.grpc.pb.h"

using namespace rialto::v1;

// Frames of one message are carried out in order, so the greeting may say all that comes first.
AttachRequest Greeting() {
  AttachRequest request;
  Hello* hello = request.add_frames()->mutable_hello();
  hello->set_user("cpp");
  Join* join = hello->add_joins();
  join->set_namespace_("chat");
  join->add_rooms("general");
  ClientFrame* frame = request.add_frames();
  frame->set_ref(1);
  Emit* emit = frame->mutable_emit();
  emit->set_namespace_("chat");
  emit->mutable_target()->add_rooms("general");
  emit->mutable_target()->set_include_sender(true);
  emit->mutable_content()->set_event("message");
  emit->mutable_content()->set_text("hello from C++");
  return request;
}

int main(int count, char** arguments) {
  const std::string address = count > 1 ? arguments[1] : "127.0.0.1:7400";
  auto stub = MessagingService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  auto session = stub->Attach(&context);
  session->Write(Greeting());

  std::string me;
  bool parted = false;
  for (AttachResponse response; session->Read(&response);) {
    for (const ServerFrame& frame : response.frames()) {
      if (frame.has_welcome()) me = frame.welcome().session_id();
      if (frame.has_refused()) {
        std::cerr << frame.refused().reason() << "\n";
        context.TryCancel();
      }
      if (frame.has_event() && frame.event().sender().session() == me) {
        std::cout << frame.event().sender().user() << ": " << frame.event().content().text() << "\n";
        AttachRequest request;
        request.add_frames()->mutable_bye();
        session->Write(request);
      }
      if (frame.has_close()) parted = frame.close().code() == CLOSE_CODE_BYE;
    }
  }
  const grpc::Status status = session->Finish();
  if (!status.ok()) std::cerr << status.error_message() << "\n";
  return parted && status.ok() ? 0 : 1;
}
