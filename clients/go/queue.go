package rialto

import (
	"context"
	"time"

	rialtov1 "rialto.dev/client/internal/gen/rialto/v1"
)

// QueueSettings are what holds in a queue; what is zero has its default.
type QueueSettings struct {
	// ConcurrencyMax is how many jobs run at once, KeyConcurrencyMax how many of each fairness key; 0: without bound.
	ConcurrencyMax, KeyConcurrencyMax uint32
	// RatePerSecond is how many jobs are begun in a second, KeyRatePerSecond how many of each key; 0: without bound.
	RatePerSecond, KeyRatePerSecond uint32
	// JobsMax is how many are kept at once, ended ones not counted but dead ones. Default 1,000,000.
	JobsMax uint32
	// Retry holds unless a job says otherwise.
	Retry *RetryPolicy
	// EndedKept is how long a job is kept that has ended, and EndedMax how many. Default a day, and 10,000.
	EndedKept time.Duration
	EndedMax  uint32
	// DeadKept is how long a dead job is kept. Default 14 days.
	DeadKept time.Duration
}

func (s QueueSettings) wire() *rialtov1.QueueSettings {
	return &rialtov1.QueueSettings{
		ConcurrencyMax: s.ConcurrencyMax, KeyConcurrencyMax: s.KeyConcurrencyMax, RatePerSecond: s.RatePerSecond,
		KeyRatePerSecond: s.KeyRatePerSecond, JobsMax: s.JobsMax, Retry: s.Retry.wire(), EndedKept: durationOf(s.EndedKept),
		EndedMax: s.EndedMax, DeadKept: durationOf(s.DeadKept),
	}
}

func queueSettingsOf(s *rialtov1.QueueSettings) QueueSettings {
	made := QueueSettings{
		ConcurrencyMax: s.GetConcurrencyMax(), KeyConcurrencyMax: s.GetKeyConcurrencyMax(),
		RatePerSecond: s.GetRatePerSecond(), KeyRatePerSecond: s.GetKeyRatePerSecond(), JobsMax: s.GetJobsMax(),
		EndedKept: span(s.GetEndedKept()), EndedMax: s.GetEndedMax(), DeadKept: span(s.GetDeadKept()),
	}
	if retry := s.GetRetry(); retry != nil {
		made.Retry = &RetryPolicy{retry.GetAttemptsMax(), span(retry.GetBase()), span(retry.GetMax())}
	}
	return made
}

// Queue is a queue as it is now.
type Queue struct {
	Namespace, Name string
	Settings        QueueSettings
	// Paused: no job is begun.
	Paused bool
	// Delayed, Waiting, Running, Blocked, Paused jobs, dead ones, and those that have ended otherwise and are kept.
	Delayed, Waiting, Running, Blocked, PausedJobs, Dead, Ended uint32
	// OldestEnqueuedAt is when the job was put in that has waited longest.
	OldestEnqueuedAt time.Time
}

func queueOf(queue *rialtov1.Queue) Queue {
	return Queue{
		Namespace: queue.GetNamespace(), Name: queue.GetQueue(), Settings: queueSettingsOf(queue.GetSettings()),
		Paused: queue.GetPaused(), Delayed: queue.GetDelayedCount(), Waiting: queue.GetWaitingCount(),
		Running: queue.GetRunningCount(), Blocked: queue.GetBlockedCount(), PausedJobs: queue.GetPausedCount(),
		Dead: queue.GetDeadCount(), Ended: queue.GetEndedCount(), OldestEnqueuedAt: timeOf(queue.GetOldestEnqueueTime()),
	}
}

// Queue is the queue as it is.
func (j *Jobs) Queue(ctx context.Context) (Queue, error) {
	request := &rialtov1.GetQueueRequest{Namespace: j.namespace, Queue: j.queue}
	answer, err := call[rialtov1.GetQueueResponse](ctx, j.way, rialtov1.JobService_GetQueue_FullMethodName, request)
	return queueOf(answer.GetQueue()), err
}

// Queues lists the queues of a namespace in which the caller may enqueue or work, by name.
func (c *Client) Queues(ctx context.Context, namespace string, of PageOf) (Page[Queue], error) {
	request := &rialtov1.ListQueuesRequest{Namespace: namespace, PageSize: of.Size, PageToken: of.Next}
	answer, err := call[rialtov1.ListQueuesResponse](ctx, c, rialtov1.JobService_ListQueues_FullMethodName, request)
	page := Page[Queue]{Next: answer.GetNextPageToken()}
	for _, queue := range answer.GetQueues() {
		page.Items = append(page.Items, queueOf(queue))
	}
	return page, err
}

// Set sets what holds in the queue.
func (j *Jobs) Set(ctx context.Context, settings QueueSettings) (Queue, error) {
	request := &rialtov1.SetQueueRequest{Namespace: j.namespace, Queue: j.queue, Settings: settings.wire()}
	answer, err := call[rialtov1.SetQueueResponse](ctx, j.way, rialtov1.JobService_SetQueue_FullMethodName, request)
	return queueOf(answer.GetQueue()), err
}

// Pause begins no more jobs; what runs goes on.
func (j *Jobs) Pause(ctx context.Context) (Queue, error) {
	request := &rialtov1.PauseQueueRequest{Namespace: j.namespace, Queue: j.queue}
	answer, err := call[rialtov1.PauseQueueResponse](ctx, j.way, rialtov1.JobService_PauseQueue_FullMethodName, request)
	return queueOf(answer.GetQueue()), err
}

// Resume begins jobs again.
func (j *Jobs) Resume(ctx context.Context) (Queue, error) {
	request := &rialtov1.ResumeQueueRequest{Namespace: j.namespace, Queue: j.queue}
	answer, err := call[rialtov1.ResumeQueueResponse](ctx, j.way, rialtov1.JobService_ResumeQueue_FullMethodName, request)
	return queueOf(answer.GetQueue()), err
}

// Purge cancels all jobs of the queue that are not running, and says how many.
func (j *Jobs) Purge(ctx context.Context) (uint32, error) {
	request := &rialtov1.PurgeQueueRequest{Namespace: j.namespace, Queue: j.queue}
	answer, err := call[rialtov1.PurgeQueueResponse](ctx, j.way, rialtov1.JobService_PurgeQueue_FullMethodName, request)
	return answer.GetCancelledCount(), err
}

// Schedule puts a job into a queue again and again.
type Schedule struct {
	// ID is its name in the queue.
	ID string
	// Cron says when: minute, hour, day of month, month, day of week; with six fields the first is the second.
	Cron string
	// TimeZone holds for it, as "Europe/Berlin"; empty: UTC.
	TimeZone string
	// Job is what is put in. It has no name, no start and no batch of its own.
	Job NewJob
	// OneLive: nothing is put in while the job before has not ended.
	OneLive bool
	// Paused: nothing is put in at all.
	Paused bool
}

// ScheduleStatus is a schedule as it is now.
type ScheduleStatus struct {
	ID, Cron, TimeZone string
	OneLive, Paused    bool
	// JobType and JobPayload are those of the job that is put in.
	JobType    string
	JobPayload JobPayload
	// NextAt is when it puts a job in next, LastAt for when it has last; zero: never.
	NextAt, LastAt time.Time
	// Skipped is how often it has put none in, because another one was still there.
	Skipped uint64
}

func scheduleOf(status *rialtov1.ScheduleStatus) ScheduleStatus {
	schedule := status.GetSchedule()
	return ScheduleStatus{
		ID: schedule.GetScheduleId(), Cron: schedule.GetCron(), TimeZone: schedule.GetTimeZone(),
		OneLive: schedule.GetOneLive(), Paused: schedule.GetPaused(), JobType: schedule.GetJob().GetType(),
		JobPayload: jobPayloadOf(schedule.GetJob().GetBody()), NextAt: timeOf(status.GetNextTime()),
		LastAt: timeOf(status.GetLastTime()), Skipped: status.GetSkippedCount(),
	}
}

// PutSchedule makes a schedule, or changes the one of that name.
func (j *Jobs) PutSchedule(ctx context.Context, schedule Schedule) (ScheduleStatus, error) {
	job := schedule.Job
	job.ID, job.Delay, job.RunAt, job.Batch, job.CompletesBatch = "", 0, time.Time{}, "", false
	made, err := job.wire(false)
	if err != nil {
		return ScheduleStatus{}, err
	}
	request := &rialtov1.PutScheduleRequest{Namespace: j.namespace, Queue: j.queue, Schedule: &rialtov1.Schedule{
		ScheduleId: schedule.ID, Cron: schedule.Cron, TimeZone: schedule.TimeZone, Job: made,
		OneLive: schedule.OneLive, Paused: schedule.Paused,
	}}
	answer, err := call[rialtov1.PutScheduleResponse](ctx, j.way, rialtov1.JobService_PutSchedule_FullMethodName, request)
	return scheduleOf(answer.GetSchedule()), err
}

// DeleteSchedule ends a schedule. The jobs that it has put in stay.
func (j *Jobs) DeleteSchedule(ctx context.Context, id string) error {
	request := &rialtov1.DeleteScheduleRequest{Namespace: j.namespace, Queue: j.queue, ScheduleId: id}
	_, err := call[rialtov1.DeleteScheduleResponse](ctx, j.way, rialtov1.JobService_DeleteSchedule_FullMethodName, request)
	return err
}

// Schedules are all of the queue, by name.
func (j *Jobs) Schedules(ctx context.Context) ([]ScheduleStatus, error) {
	request := &rialtov1.ListSchedulesRequest{Namespace: j.namespace, Queue: j.queue}
	answer, err := call[rialtov1.ListSchedulesResponse](ctx, j.way, rialtov1.JobService_ListSchedules_FullMethodName, request)
	var schedules []ScheduleStatus
	for _, schedule := range answer.GetSchedules() {
		schedules = append(schedules, scheduleOf(schedule))
	}
	return schedules, err
}
