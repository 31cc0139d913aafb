<?php
// A session from generated stubs: says hello, enters a room, hears itself there, and parts.
//   php session.php [HOST:PORT]

require 'vendor/autoload.php';

use Rialto\V1\{AttachRequest, Bye, ClientFrame, CloseCode, Content, Emit, Hello, Join, MessagingServiceClient, Target};

$address = $argv[1] ?? '127.0.0.1:7400';
$client = new MessagingServiceClient($address, ['credentials' => Grpc\ChannelCredentials::createInsecure()]);
$session = $client->Attach([], ['timeout' => 10_000_000]); // In microseconds.

// Frames of one message are carried out in order, so the greeting may say all that comes first.
$join = new Join(['namespace' => 'chat', 'rooms' => ['general']]);
$emit = new Emit([
    'namespace' => 'chat',
    'target' => new Target(['rooms' => ['general'], 'include_sender' => true]),
    'content' => new Content(['event' => 'message', 'text' => 'hello from PHP']),
]);
$session->write(new AttachRequest(['frames' => [
    new ClientFrame(['hello' => new Hello(['user' => 'php', 'joins' => [$join]])]),
    new ClientFrame(['ref' => 1, 'emit' => $emit]),
]]));

$me = null;
$parted = false;
while ($response = $session->read()) {
    foreach ($response->getFrames() as $frame) {
        switch ($frame->getFrame()) {
            case 'welcome':
                $me = $frame->getWelcome()->getSessionId();
                break;
            case 'refused':
                fwrite(STDERR, $frame->getRefused()->getReason() . "\n");
                $session->cancel();
                break;
            case 'event':
                $event = $frame->getEvent();
                if ($event->getSender()->getSession() === $me) {
                    echo $event->getSender()->getUser(), ': ', $event->getContent()->getText(), "\n";
                    $session->write(new AttachRequest(['frames' => [new ClientFrame(['bye' => new Bye()])]]));
                }
                break;
            case 'close':
                $parted = $frame->getClose()->getCode() === CloseCode::CLOSE_CODE_BYE;
                break;
        }
    }
}
$status = $session->getStatus();
if ($status->code !== Grpc\STATUS_OK) {
    fwrite(STDERR, "$status->details\n");
}
exit($parted && $status->code === Grpc\STATUS_OK ? 0 : 1);
