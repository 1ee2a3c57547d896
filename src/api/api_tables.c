#include "api_handlers.h"

const struct api_table api_tables[] = {
    {api_account_routes, API_ACCOUNT_ROUTES},
    {api_message_routes, API_MESSAGE_ROUTES},
    {api_settings_routes, API_SETTINGS_ROUTES},
    {api_token_routes, API_TOKEN_ROUTES},
    {api_metrics_routes, API_METRICS_ROUTES},
    {api_event_routes, API_EVENT_ROUTES},
    {api_diagnose_routes, API_DIAGNOSE_ROUTES},
    {api_license_routes, API_LICENSE_ROUTES},
    {api_blocklist_routes, API_BLOCKLIST_ROUTES},
    {api_chat_routes, API_CHAT_ROUTES},
    {api_signature_routes, API_SIGNATURE_ROUTES},
    {api_stats_routes, API_STATS_ROUTES},
    {api_autoconfig_routes, API_AUTOCONFIG_ROUTES},
    {api_log_routes, API_LOG_ROUTES},
    {api_delivery_routes, API_DELIVERY_ROUTES},
    {api_search_routes, API_SEARCH_ROUTES},
    {api_mailbox_routes, API_MAILBOX_ROUTES},
    {api_webhook_routes, API_WEBHOOK_ROUTES},
};
const size_t api_tables_count = ARRAY_LEN(api_tables);
