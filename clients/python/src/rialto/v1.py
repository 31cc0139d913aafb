"""The messages of `proto/rialto/v1` under one name, for those who want what the server says as it says it."""

from ._gen.admin_pb2 import *
from ._gen.code_pb2 import *
from ._gen.directory_pb2 import *
from ._gen.event_pb2 import *
from ._gen.frame_pb2 import *
from ._gen.job_pb2 import *
from ._gen.job_service_pb2 import *
from ._gen.messaging_pb2 import *
from ._gen.room_pb2 import *
from ._gen.room_service_pb2 import *
from ._gen.session_pb2 import *
from ._gen.state_pb2 import *
from ._gen.worker_service_pb2 import *
