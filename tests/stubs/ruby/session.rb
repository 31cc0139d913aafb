# A session from generated stubs: says hello, enters a room, hears itself there, and parts.
#   ruby -I GENERATED session.rb [HOST:PORT]
require 'rialto/v1/messaging_services_pb'

include Rialto::V1

address = ARGV.fetch(0, '127.0.0.1:7400')
stub = MessagingService::Stub.new(address, :this_channel_is_insecure)

# What is put here goes up. Frames of one message are carried out in order, so the greeting may say all that comes first.
upward = Queue.new
upward << AttachRequest.new(frames: [
  ClientFrame.new(hello: Hello.new(user: 'ruby', joins: [Join.new(namespace: 'chat', rooms: ['general'])])),
  ClientFrame.new(ref: 1, emit: Emit.new(
    namespace: 'chat',
    target: Target.new(rooms: ['general'], include_sender: true),
    content: Content.new(event: 'message', text: 'hello from Ruby')
  ))
])
requests = Enumerator.new do |out|
  while (request = upward.pop)
    out << request
  end
end

me = nil
parted = false
hear = lambda do |frame|
  case frame.frame
  when :welcome then me = frame.welcome.session_id
  when :refused then abort frame.refused.reason
  when :event
    next unless frame.event.sender.session == me

    puts "#{frame.event.sender.user}: #{frame.event.content.text}"
    upward << AttachRequest.new(frames: [ClientFrame.new(bye: Bye.new)])
    upward.close
  when :close then parted = frame.close.code == :CLOSE_CODE_BYE
  end
end

begin
  stub.attach(requests, deadline: Time.now + 10).each { |response| response.frames.each(&hear) }
rescue GRPC::BadStatus => e
  abort e.details
end
exit parted
