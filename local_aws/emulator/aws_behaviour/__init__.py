"""Where MiniStack differs from AWS, put right.

Each module holds the corrections of one subject and names AWS's documentation of it. `installation.every_correction`
lists them by name, and `installation.install` puts them in place, in the emulator's own process, before it serves. The
environment variable `LOCAL_AWS_WITHOUT` names corrections that are left out, with commas between them. MiniStack's side
is the opposite of what stands here.

request_authorization: IAM
    ecs:RunTask is authorized on the task definition, ecs:StopTask and ecs:DescribeTasks on each task, ecs:ListTasks
    on the cluster's container instances, all with the condition key ecs:cluster; iam:PassRole is required by RunTask,
    RegisterTaskDefinition, CreateFunction, CreateStateMachine, PutTargets; ecs:TagResource by tasks that get tags;
    lambda:InvokeFunction is authorized on the ARN with the version; the message of a denied call names the resource;
    aws:SecureTransport is true, as for AWS's TLS endpoints.
ecs_api: calls on tasks and task definitions
    RunTask refuses unknown clusters, inactive revisions, unknown subnets, long overrides, roles that ECS cannot
    assume, capacity providers that are not the cluster's; its client tokens are idempotent, recorded failures included,
    and answered with ConflictException when parameters differ; a bare family is its latest ACTIVE revision; ListTasks
    checks its filters, DescribeTasks its limits; stopped tasks stay; times have milliseconds; Fargate's sizes and its
    execution role are checked; a task definition is given back with the defaults and empty lists that ECS fills in.
fargate_quota: the account's quota of vCPUs
    Where a fault rule sets one, RunTask answers with failures[] for the tasks beyond it, until others have stopped.
ecs_tasks: the life of a task
    StopTask sends SIGTERM, after stopTimeout SIGKILL, and the task stops when its containers ended; each container
    keeps its own exit code, one that never ran has none; credentials are a session of the task role.
ecs_events: events
    "ECS Task State Change" on the default bus.
execution_role: the execution role
    It pulls the image, makes the log stream, reads secrets and decrypts parameters; where it may not, the task is
    TaskFailedToStart.
states_integrations: what Task states call
    Every call is made with the machine's role. A declared error has the service's name for it, any other that of the
    SDK's base exception, a lost connection that of SdkClientException. ecs:runTask.sync is one task in PascalCase,
    fails with States.TaskFailed or AmazonECS.Unknown, waits without limit and stops its task when its state ends
    before. StartedBy and Tags are not parameters.
states_engine: executions
    A failing branch or item ends the others; TimeoutSeconds makes TIMED_OUT; variables are scoped per branch and item
    and assigned at once; 256 KiB and 25,000 events are limits; Retry honours MaxDelaySeconds and JitterStrategy;
    Parallel takes JSONata's Arguments, Output and Assign; status events carry errors of every bad end.
states_redrive: RedriveExecution
    An execution that did not succeed goes on under its own ARN with the state that did not; DescribeExecution, events
    and the context object say how often. Definition and role are those it was started with.
states_machines: state machines
    The role has to be assumable and to allow the managed rule and log delivery; the tracing configuration is kept;
    StartExecution with a name again is the same execution while it runs; an execution keeps the definition and the role
    it was started with when they are updated; deleting ends executions.
jsonata_numbers: JSONata
    $string of a 16-digit integer is reported in full.
lambda_functions: functions
    A Python exception's class is the error's name, and the environment lives on; the environment holds AWS's variables
    and the function's own; only the AWS SDK is importable; the role has to be assumable and to allow network
    interfaces and the log; an invocation ends with the code and configuration it began with.
lambda_versions: versions of functions
    A version keeps code and configuration, and execution environments of its own; nothing is published where nothing
    changed or while an update is in progress; numbers are never used again; answers on a version have its qualified
    ARN; reserved concurrency is the function's.
lambda_interfaces: functions in a VPC
    They hold network interfaces, shared by all that use the same subnet and security groups, and so those subnets and
    groups; an interface outlives its last use and is given back only if the function's role may still delete it.
vpc_networking: subnets, VPC endpoints, NAT gateways, zones
    Described with their IPv6 addresses, security groups, private DNS, policy, addresses; a NAT gateway
    fails without an internet gateway; zones are filtered, and the account has opted in to a Local Zone whose name sorts
    first.
dynamodb_time_to_live: time to live of DynamoDB tables
    It is enabled, disabled or changed once an hour at most, only where that changes something and on one attribute at a
    time.
event_targets: EventBridge
    A function, or a version of it, is called only where its own policy allows, and again when it fails.

Not put right, so not to be relied on here: task tokens, Distributed Map states, the branches and items that a redrive
leaves alone, TestState's mocks, log delivery of executions to CloudWatch Logs, X-Ray traces,
security groups and routes (every container and function reaches the emulator), eventual consistency, ECS services,
quotas and throttling (fault rules make them).
"""
