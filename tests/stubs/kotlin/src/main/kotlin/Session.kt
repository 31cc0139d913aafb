// A session from generated stubs: says hello, enters a room, hears itself there, and parts.
//   java -cp … SessionKt [HOST:PORT]
import io.grpc.ManagedChannelBuilder
import java.util.concurrent.TimeUnit.SECONDS
import kotlin.system.exitProcess
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.consumeAsFlow
import kotlinx.coroutines.runBlocking
import rialto.v1.Code.CloseCode
import rialto.v1.Messaging.AttachRequest
import rialto.v1.MessagingServiceGrpcKt.MessagingServiceCoroutineStub
import rialto.v1.attachRequest
import rialto.v1.bye
import rialto.v1.clientFrame
import rialto.v1.content
import rialto.v1.emit
import rialto.v1.hello
import rialto.v1.join
import rialto.v1.target

// Frames of one message are carried out in order, so the greeting may say all that comes first.
val greeting = attachRequest {
    frames += clientFrame {
        hello = hello {
            user = "kotlin"
            joins += join {
                namespace = "chat"
                rooms += "general"
            }
        }
    }
    frames += clientFrame {
        ref = 1
        emit = emit {
            namespace = "chat"
            target = target {
                rooms += "general"
                includeSender = true
            }
            content = content {
                event = "message"
                text = "hello from Kotlin"
            }
        }
    }
}

fun main(arguments: Array<String>): Unit = runBlocking {
    val address = arguments.firstOrNull() ?: "127.0.0.1:7400"
    val channel = ManagedChannelBuilder.forTarget(address).usePlaintext().build()
    val stub = MessagingServiceCoroutineStub(channel).withDeadlineAfter(10, SECONDS)
    val upward = Channel<AttachRequest>(capacity = 2)
    upward.send(greeting)

    var me = ""
    var parted = false
    try {
        stub.attach(upward.consumeAsFlow()).collect { response ->
            for (frame in response.framesList) {
                when {
                    frame.hasWelcome() -> me = frame.welcome.sessionId
                    frame.hasRefused() -> error(frame.refused.reason)
                    frame.hasEvent() && frame.event.sender.session == me -> {
                        println("${frame.event.sender.user}: ${frame.event.content.text}")
                        upward.send(attachRequest { frames += clientFrame { bye = bye {} } })
                    }
                    frame.hasClose() -> parted = frame.close.code == CloseCode.CLOSE_CODE_BYE
                }
            }
        }
    } finally {
        channel.shutdownNow()
    }
    exitProcess(if (parted) 0 else 1)
}
