#include "doorman/doorman.h"

int main(void)
{
	return doorman_run();
}
